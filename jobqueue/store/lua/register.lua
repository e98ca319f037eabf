-- An agent makes itself known. The newest process under a hostname wins; an older one learns it with its next beat.
-- include: clock agent_state
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 boot id, 4 microseconds it counts as live, 5 registration as JSON,
--   6 label targets that match it (lines), 7 operations that it supports (lines)
-- returns: 'registered' | 'replaced' (another boot was live under this hostname)
local at = clock(ARGV[1])
local host, boot = ARGV[2], ARGV[3]
local agent = K.agent .. host
local old = redis.call('HMGET', agent, 'boot', 'labels', 'offers')
local live_until = tonumber(redis.call('ZSCORE', K.agents, host) or 0)
for label in string.gmatch(old[2] or '', '[^\n]+') do redis.call('SREM', K.label .. label, host) end
for op in string.gmatch(old[3] or '', '[^\n]+') do redis.call('SREM', K.offers .. op, host) end
for label in string.gmatch(ARGV[6], '[^\n]+') do redis.call('SADD', K.label .. label, host) end
for op in string.gmatch(ARGV[7], '[^\n]+') do redis.call('SADD', K.offers .. op, host) end
redis.call('HSET', agent, 'boot', boot, 'info', ARGV[5], 'labels', ARGV[6], 'offers', ARGV[7],
  'started', int(at), 'beat', int(at), 'running', '0')
redis.call('HDEL', agent, 'vitals')
if redis.call('HEXISTS', agent, 'state') == 0 then set_agent_state(host, 'Ready', at) end
redis.call('ZADD', K.agents, int(at + tonumber(ARGV[4])), host)
return old[1] and old[1] ~= boot and live_until > at and 'replaced' or 'registered'
