-- Registers an agent. The newest process of a hostname wins; an older one learns it from its next heartbeat.
-- include: clock agent_state notice raise_alert takers agent_lists
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 boot id, 4 microseconds it counts as live, 5 registration as JSON,
--   6 label targets that match it (lines), 7 operations that it supports (lines), 8 '1' if it holds a certificate or '',
--   9 id of its key or '', 10 its certificate or '', 11 '1' if it has a proof of an invitation or ''
-- returns: 'registered' | 'replaced' (another boot was live under this hostname)
local at = clock(ARGV[1])
local host, boot = ARGV[2], ARGV[3]
local agent = K.agent .. host
local old = redis.call('HMGET', agent, 'boot', 'until', 'registrations')
local number = num(old[3]) + 1
redis.call('HSET', agent, 'boot', boot, 'info', ARGV[5], 'labels', ARGV[6], 'offers', ARGV[7],
  'started', int(at), 'beat', int(at), 'running', '0', 'until', int(at + tonumber(ARGV[4])),
  'holds', ARGV[8], 'key', ARGV[9], 'shown', ARGV[10], 'proof', ARGV[11],
  'registrations', int(number), 'registered', int(at) .. ':' .. int(number))
redis.call('HDEL', agent, 'vitals', 'apart')
announce_agent(host, at)
-- it gets no work until maintenance has added it to the lists
if not redis.call('HGET', agent, 'state') then set_agent_state(host, 'Pending', at) end
return old[1] and old[1] ~= boot and num(old[2]) > at and 'replaced' or 'registered'
