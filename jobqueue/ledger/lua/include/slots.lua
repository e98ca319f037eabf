-- The slots of a job's executions that have a record: those behind `opened` have none. Needs: clock.
local function recorded_slots(id, slot, fanout, opened)
  if not fanout then return {slot or nil} end
  if opened and num(opened) < 1 then return {} end
  return redis.call('LRANGE', K.slots .. id, 0, opened and num(opened) - 1 or -1)
end
