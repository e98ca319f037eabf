-- Reads the record of one agent.
-- include: record_size
-- KEYS: none
-- ARGV: 1 hostname
-- returns: {field, value, ...}, or {'?', ''} for a record that is larger than it can be
local agent = K.agent .. ARGV[1]
return is_large(agent) and {'?', ''} or redis.call('HGETALL', agent)
