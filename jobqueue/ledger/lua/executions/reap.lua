-- Handles expired leases: the agent died or was cut off. An execution that may run again waits for its next attempt;
-- any other is `lost`, since its outcome is unknown.
-- include: clock events notice status index advance<batches,rollout> concurrency settle transition short_answer answer release
-- KEYS: none
-- ARGV: 1 now, 2 how many at most, 3 only leases that had run out by this time, or ''
-- returns: {retried, lost, cancelled}
local at = clock(ARGV[1])
local until_ = ARGV[3] ~= '' and math.min(at, tonumber(ARGV[3])) or at
local unknown = '; how far it came is not known, and what it started may still be running there'
local retried, lost, cancelled = 0, 0, 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', K.leases, '-inf', int(until_), 'LIMIT', 0, ARGV[2])) do
  local id, host = string.sub(member, 1, 36), string.sub(member, 38)
  local is_whole = is_sound('hash', K.job .. id) and is_sound('hash', K.exec .. host .. ':' .. id)
    and is_sound('list', K.slots .. id)
  local job = is_whole and redis.call('HMGET', K.job .. id, 'idempotent', 'retry', 'cancel') or {}
  local run = is_whole and redis.call('HMGET', K.exec .. host .. ':' .. id, 'attempt', 'idle') or {}
  local attempt = num(run[1])
  local most = num(string.match(job[2] or '', '^%d+'))
  redis.call('ZREM', K.leases, member)
  count(K.stats, 'leases_lost', 1)
  -- holds for an agent that is gone, and for one that has restarted and lost the execution
  local silence = 'agent ' .. host .. ' was killed, restarted or cut off during attempt ' .. int(attempt)
  if not is_whole then -- `jobqueue doctor` reports the damage
    lost = lost + 1
  elseif job[3] then
    -- whether it stopped in time is not known either; "cancelled" would claim that it did
    transition(id, host, at, host, {{'lost', 'lost', silence .. ' while a cancel was pending' .. unknown}})
    cancelled = cancelled + 1
  elseif (job[1] and most == 0 and attempt < 5) or attempt < most or (run[2] and attempt < 20) then
    release(id, host, at, at, 'retried', silence)
    retried = retried + 1
  else
    transition(id, host, at, host, {{'lost', 'lost', silence .. unknown}})
    lost = lost + 1
  end
end
store_measured()
return {retried, lost, cancelled}
