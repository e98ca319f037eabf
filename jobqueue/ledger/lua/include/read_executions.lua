-- Needs: record_size.

-- All fields of a record; one that cannot be decoded for a record that is larger than it can be.
local function fields_of(key)
  if is_large(key) then return {'state', '', 'status', ''} end
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
    local out = K.out .. slot .. ':' .. id
    if not is_short and redis.call('STRLEN', out) > MOST_BYTES then record, is_short = {'state', ''}, true end
    out = not is_short and redis.call('GET', out)
    if out then size = size + #out end
    found[#found + 1] = slot
    found[#found + 1] = record
    found[#found + 1] = out
  end
  return found, #slots
end
