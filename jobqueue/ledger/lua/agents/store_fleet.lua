-- Stores the summary of all agents, or returns it.
-- KEYS: none
-- ARGV: 1 the summary as JSON, or '' to read it
-- returns: the summary, false if there is none
if ARGV[1] ~= '' then redis.call('SET', K.fleet, ARGV[1]) end
return redis.call('GET', K.fleet)
