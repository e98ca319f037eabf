-- An agent makes itself known. The newest process under a hostname wins; an older one learns it with its next beat.
-- include: clock agent_state
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 boot id, 4 microseconds it counts as live, 5 registration as JSON,
--   6 label targets that match it (lines), 7 operations that it supports (lines), 8 '1' if it holds a certificate or '',
--   9 id of its key or '', 10 its certificate or '', 11 '1' if it has a proof of an invitation or ''
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
-- whether the certificate is right only those can tell who know the API's key: they look at it again, see `certify`
local state = redis.call('HGET', agent, 'state')
local given = redis.call('HGET', agent, 'certificate')
if redis.call('SISMEMBER', K.barred, host) == 1 then
  redis.call('SADD', K.away, host)
  if state ~= 'Revoked' then set_agent_state(host, 'Revoked', at) end
  if ARGV[11] ~= '' then redis.call('SADD', K.joining, host) end
elseif ARGV[8] == '' or (state == 'Revoked' and given and given ~= ARGV[10]) then
  -- or it was accepted again, and comes with the certificate that it had before
  redis.call('SADD', K.away, host)
  if state ~= 'Pending' then set_agent_state(host, 'Pending', at) end
  if ARGV[11] ~= '' then redis.call('SADD', K.joining, host) end
elseif not state or state == 'Pending' or state == 'Revoked' then
  redis.call('SREM', K.away, host)
  set_agent_state(host, 'Ready', at)
end
if ARGV[10] ~= '' then redis.call('HSET', K.certificates, ARGV[9], ARGV[10]) end
redis.call('ZADD', K.agents, int(at + tonumber(ARGV[4])), host)
return old[1] and old[1] ~= boot and live_until > at and 'replaced' or 'registered'
