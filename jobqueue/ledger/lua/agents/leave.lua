-- Marks an agent that shuts down as offline; it stays known.
-- include: clock agent_state notice raise_alert takers agent_lists
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 boot id
-- returns: 'left' | 'replaced' (another process runs under the hostname; nothing is changed)
if redis.call('HGET', K.agent .. ARGV[2], 'boot') ~= ARGV[3] then return 'replaced' end
local at = clock(ARGV[1])
redis.call('HSET', K.agent .. ARGV[2], 'running', '0', 'left', ARGV[3], 'until', int(at))
announce_agent(ARGV[2], at)
return 'left'
