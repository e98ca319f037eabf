-- Reads the executions of a broadcast in some of its slots, in the order that the caller gives. The caller has the names
-- from `list_slots`.
-- include: record_size read_executions
-- KEYS: none
-- ARGV: 1 job id, 2 number of bytes of answers after which no further execution is read, 3.. slots
-- returns: {{slot, {field, value, ...}, separately stored result or false, ...}, {field, value, ...} of the job: how the
--   executions without a record stand} | false (no such job)
local id = ARGV[1]
if redis.call('EXISTS', K.job .. id) == 0 then return false end
local held = {}
for _, field in ipairs({'opened', 'rest', 'rollout'}) do
  local value = redis.call('HGET', K.job .. id, field)
  if value then held[#held + 1], held[#held + 2] = field, value end
end
local slots = {}
for i = 3, #ARGV do slots[#slots + 1] = ARGV[i] end
return {read_executions(id, slots, #slots, tonumber(ARGV[2])), held}
