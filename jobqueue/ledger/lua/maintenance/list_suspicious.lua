-- Lists, at a fixed cost for each, which of some jobs may be incompletely stored: `examine_job` looks at those.
-- KEYS: none
-- ARGV: 1.. job ids
-- returns: ids
local function is_whole(id)
  local job = K.job .. id
  if not is_sound('hash', job) or not is_sound('list', K.slots .. id) or redis.call('EXISTS', K.doc .. id) == 0 then
    return false
  end
  local record = redis.call('HMGET', job, 'slot', 'fanout', 'opened')
  local slot = record[2] and redis.call('LINDEX', K.slots .. id, 0) or record[1]
  if record[2] and record[3] == '0' then return slot end -- none of its executions has been opened
  return slot and redis.call('EXISTS', K.exec .. slot .. ':' .. id) == 1
end

local found = {}
for i = 1, #ARGV do
  if not is_whole(ARGV[i]) then found[#found + 1] = ARGV[i] end
end
return found
