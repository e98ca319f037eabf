-- Merges the records that agents write about themselves into the shared lists.
-- include: clock agent_state notice raise_alert takers agent_lists
-- KEYS: none
-- ARGV: 1 now, 2 how many agents at most
-- returns: number of agents that were examined
local at = clock(ARGV[1])
local hosts = redis.call('SPOP', K.arrivals, ARGV[2])
for _, host in ipairs(hosts) do muster(host, at) end
return #hosts
