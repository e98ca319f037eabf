-- The slots of a job's executions that have a record: those after `opened` have none. Needs: clock.
local function recorded_slots(id, slot, fanout, opened)
  if not fanout then return {slot or nil} end
  if opened and num(opened) < 1 then return {} end
  return redis.call('LRANGE', K.slots .. id, 0, opened and num(opened) - 1 or -1)
end

-- A slice of them, from the place `first` on (0: the first).
local function recorded_slice(id, slot, fanout, opened, first, most)
  if not fanout then return {slot or nil} end
  local last = first + most - 1
  if opened then last = math.min(last, num(opened) - 1) end
  if last < first then return {} end
  return redis.call('LRANGE', K.slots .. id, int(first), int(last))
end
