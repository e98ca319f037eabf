-- Drains or undrains an agent. A draining agent becomes Cordoned with the first heartbeat that reports nothing running.
-- include: clock agent_state takers
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 'drain' or 'undrain', 4 the reason or ''
-- returns: 'unknown' | 'already' | 'pending' (not accepted yet) | the agent's new state
local at = clock(ARGV[1])
local host = ARGV[2]
local state = redis.call('HGET', K.agent .. host, 'state')
if not state then return 'unknown' end
if state == 'Pending' or state == 'Revoked' then return 'pending' end
if (ARGV[3] == 'undrain') == (state == 'Ready') then return 'already' end
if ARGV[3] == 'undrain' then
  redis.call('SREM', K.away, host)
  stand_by(host, redis.call('ZSCORE', K.agents, host) or '0')
  return set_agent_state(host, 'Ready', at)
end
redis.call('SADD', K.away, host)
if ARGV[4] ~= '' then redis.call('HSET', K.agent .. host, 'drain_reason', ARGV[4]) end
stand_down(host)
-- an offline agent is assumed to run nothing
local live_until = tonumber(redis.call('ZSCORE', K.agents, host) or 0)
return set_agent_state(host, live_until > at and 'Draining' or 'Cordoned', at)
