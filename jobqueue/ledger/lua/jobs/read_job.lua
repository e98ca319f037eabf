-- Reads one job as of one moment, with the first of its executions.
-- include: record_size read_executions
-- KEYS: none
-- ARGV: 1 job id, 2 how many executions of a broadcast at most (the only execution of any other job is always read),
--   3 how many of its slots to name at most, 4 number of bytes of answers after which no further execution is read
-- returns: {doc, {field, value, ...} of the job, {slot, {field, value, ...}, separately stored result or false, ...},
--   {field, value as JSON, ...} that an external driver reported, {slot, ...}, number of executions} | false
local id, most = ARGV[1], tonumber(ARGV[2])
local job = fields_of(K.job .. id)
if #job == 0 then return false end
local record = redis.call('HMGET', K.job .. id, 'slot', 'fanout', 'outside')
local slots, total = {record[1] or nil}, 1
if record[2] then
  local named = math.max(most, tonumber(ARGV[3]))
  slots, total = named > 0 and redis.call('LRANGE', K.slots .. id, 0, named - 1) or {}, redis.call('LLEN', K.slots .. id)
else
  most = 1
end
local executions = read_executions(id, slots, most, tonumber(ARGV[4]))
return {redis.call('GET', K.doc .. id), job, executions, record[3] and redis.call('HGETALL', K.driver_report .. id) or {}, slots, total}
