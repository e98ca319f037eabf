-- An agent's heartbeat.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 boot id, 4 microseconds it counts as live, 5 vitals as JSON, 6 executions that run,
--   7 the registration again, with fresh facts, or ''
-- returns: 'ok' | 'replaced' (another process took the hostname over) | 'unknown' (register first)
local at = clock(ARGV[1])
local agent = K.agent .. ARGV[2]
local boot = redis.call('HGET', agent, 'boot')
if not boot then return 'unknown' end
if boot ~= ARGV[3] then return 'replaced' end
redis.call('HSET', agent, 'beat', int(at), 'vitals', ARGV[5], 'running', ARGV[6])
if ARGV[7] ~= '' then redis.call('HSET', agent, 'info', ARGV[7]) end
redis.call('ZADD', K.agents, int(at + tonumber(ARGV[4])), ARGV[2])
return 'ok'
