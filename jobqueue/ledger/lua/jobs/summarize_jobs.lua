-- Reads the summaries of jobs for a list, without their executions.
-- include: record_size
-- KEYS: none
-- ARGV: 1.. job ids
-- returns: per job: {status, created, updated, host or false, slot or false (a broadcast), '1' if it is a broadcast, '1' if
--   it was asked to stop, the fields that JOB_LISTED names (false where it has none), number of its executions in each
--   state...}; status is false if the job does not exist, and ? alone for a record that is larger than it can be
local FIELDS = {'status', 'created', 'updated', 'host', 'slot', 'fanout', 'cancel'}
for _, field in ipairs(JOB_LISTED) do FIELDS[#FIELDS + 1] = field end
for _, state in ipairs(STATES) do FIELDS[#FIELDS + 1] = 'n.' .. state end
local found = {}
for i = 1, #ARGV do
  local job = K.job .. ARGV[i]
  found[i] = is_large(job) and {'?'} or redis.call('HMGET', job, unpack(FIELDS))
end
return found
