-- Forgets an offline agent without open executions. Its revocation stays, and so do the certificates that verify its
-- earlier results.
-- include: clock index publish audit_trail made_before takers record_size deployment
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 creation time up to which its broadcasts were looked at, 4 how many of them to look at,
--   5 how many entries the audit trail keeps, 6 seal of the entry for it, 7 that entry or ''
-- returns: {'more', creation time up to which its broadcasts have been looked at now} | {'forgotten', number and link of the entry} | {'unknown'} | {'live'} | {'busy'} (something waits for it, or
--   has not ended there) | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('forgotten', ARGV[6], ARGV[7])
if repeated then return repeated end
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
-- an execution that has ended stays so: what one call has looked at, the next need not
local broadcasts = redis.call('ZRANGEBYSCORE', broadcasts_of(host), '(' .. ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for i = 1, #broadcasts, 2 do
  local state = redis.call('HGET', K.exec .. host .. ':' .. broadcasts[i], 'state')
  if state and not FINAL_STATES[state] then return {'busy'} end
end
if #broadcasts == 2 * tonumber(ARGV[4]) then return {'more', broadcasts[#broadcasts]} end
need('hash', K.deployed .. host, K.object_uses)
need('zset', K.deployed_hosts)
local is_entered, number, link = entered(ARGV[5], ARGV[6], ARGV[7])
if not is_entered then return {'unrecorded', number} end
for label in string.gmatch(known[1] or '', '[^\n]+') do redis.call('SREM', K.label .. label, host) end
for op in string.gmatch(known[2] or '', '[^\n]+') do redis.call('SREM', K.offers .. op, host) end
-- messages of jobs that ended while they waited
for step = 0, 9 do redis.call('DEL', queue_list(host, step)) end
stand_down(host)
forget_deployments(host)
redis.call('DEL', agent, K.agent_log .. host, K.waiting .. host, K.noted .. host, K.roster .. host)
redis.call('ZREM', K.agents, host)
redis.call('ZREM', K.hostnames, host)
redis.call('SREM', K.away, host)
redis.call('SREM', K.joining, host)
return {'forgotten', number, link}
