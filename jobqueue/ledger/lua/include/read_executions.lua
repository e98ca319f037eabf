-- More fields than the record of a job or of an execution has. An agent's user can write any number into those of its jobs,
-- and reading them would hold up every other client.
local MOST_FIELDS = 20000

-- All fields of a record; one that cannot be decoded for a record with more fields than it can have.
local function fields_of(key)
  if redis.call('HLEN', key) > MOST_FIELDS then return {'state', '', 'status', ''} end
  return redis.call('HGETALL', key)
end

-- Reads the records of executions of one job, in order, at most `most` of them, and none further once their answers take
-- `bytes` (the first is always read).
-- Returns {slot, {field, value, ...}, separately stored result or false, ...} and the number of slots that were read. An
-- execution that has not been opened has no record: its fields are empty.
local function read_executions(id, slots, most, bytes)
  local found, size = {}, 0
  for i, slot in ipairs(slots) do
    if i > most or (i > 1 and size >= bytes) then return found, i - 1 end
    local record = fields_of(K.exec .. slot .. ':' .. id)
    local is_short = false
    for field = 1, #record, 2 do
      is_short = is_short or record[field] == 'o1'
      size = size + #record[field + 1]
    end
    local out = not is_short and redis.call('GET', K.out .. slot .. ':' .. id)
    if out then size = size + #out end
    found[#found + 1] = slot
    found[#found + 1] = record
    found[#found + 1] = out
  end
  return found, #slots
end
