-- Reads the record of one agent, and its newest states.
-- include: record_size
-- KEYS: none
-- ARGV: 1 hostname, 2 how many states
-- returns: {{state, ...}, {field, value, ...}}; {'?'} in place of states, and {'?', ''} in place of a record, that are
--   larger than they can be
local agent, log = K.agent .. ARGV[1], K.agent_log .. ARGV[1]
local states = takes_more(log, MOST_LOG_BYTES) and {'?'} or redis.call('LRANGE', log, 0 - ARGV[2], -1)
return {states, is_large(agent) and {'?', ''} or redis.call('HGETALL', agent)}
