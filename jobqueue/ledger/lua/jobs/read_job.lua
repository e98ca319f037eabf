-- Reads one whole job as of one moment.
-- KEYS: none
-- ARGV: 1 job id
-- returns: {doc, {field, value, ...} of the job, {slot, {field, value, ...}, separately stored result or false, ...},
--   {field, value as JSON, ...} that an external driver reported} | false
local id = ARGV[1]
local job = redis.call('HGETALL', K.job .. id)
if #job == 0 then return false end
local record = redis.call('HMGET', K.job .. id, 'slot', 'fanout', 'outside')
local slots = record[2] and redis.call('LRANGE', K.slots .. id, 0, -1) or {record[1] or nil}
local executions = {}
for _, slot in ipairs(slots) do
  local exec = K.exec .. slot .. ':' .. id
  executions[#executions + 1] = slot
  executions[#executions + 1] = redis.call('HGETALL', exec)
  executions[#executions + 1] = redis.call('HEXISTS', exec, 'o1') == 0 and redis.call('GET', K.out .. slot .. ':' .. id)
end
return {redis.call('GET', K.doc .. id), job, executions, record[3] and redis.call('HGETALL', K.told .. id) or {}}
