-- Forgets an offline agent without open executions. Its revocation stays, and so do the certificates that verify its
-- earlier results.
-- include: clock publish audit_trail
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 how many entries the audit trail keeps, 4 seal of the entry for it, 5 that entry or ''
-- returns: {'forgotten', number and link of the entry} | {'unknown'} | {'live'} | {'busy'} (something waits for it, or
--   has not ended there) | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local at = clock(ARGV[1])
local host = ARGV[2]
local agent = K.agent .. host
local state = redis.call('HGET', agent, 'state')
if not state then return {'unknown'} end
local known = redis.call('HMGET', K.roster .. host, 'labels', 'offers')
if tonumber(redis.call('ZSCORE', K.agents, host) or 0) > at then return {'live'} end
for _, status in ipairs({'submitted', 'processing'}) do
  for _, id in ipairs(redis.call('ZRANGE', K.index .. 'host:' .. host .. '|' .. status, 0, -1)) do
    local state = redis.call('HGET', K.exec .. host .. ':' .. id, 'state')
    if state and not FINAL_STATES[state] then return {'busy'} end
  end
end
local is_entered, number, link = entered(ARGV[3], ARGV[4], ARGV[5])
if not is_entered then return {'unrecorded', number} end
for label in string.gmatch(known[1] or '', '[^\n]+') do redis.call('SREM', K.label .. label, host) end
for op in string.gmatch(known[2] or '', '[^\n]+') do redis.call('SREM', K.offers .. op, host) end
-- messages of jobs that ended while they waited
for step = 0, 9 do redis.call('DEL', queue_list(host, step)) end
redis.call('DEL', agent, K.agent_log .. host, K.waiting .. host, K.noted .. host, K.roster .. host)
redis.call('ZREM', K.agents, host)
redis.call('ZREM', K.hostnames, host)
redis.call('SREM', K.away, host)
redis.call('SREM', K.joining, host)
return {'forgotten', number, link}
