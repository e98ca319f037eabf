-- Claims executions for an agent: at most one claim of an attempt succeeds; it returns a lease and a fencing token. Each
-- claim is apart: a damaged record fails only its own.
-- include: clock events relist|change_host<index> notice|derive_status|all_counts|offers_all|advance|take_key|leave_execution|leave_job|pause_of|take_starts|park|offer_later|unpark|put_off|take_start<status,offers,notice,batches,rollout,concurrency,parking,pace> settle transition apart
-- KEYS: none
-- ARGV: 1 now, 2 hostname of the agent, 3 lease in microseconds, 4 '1': the agent stops, and gives the executions back,
--   else '', then per claim: job id, slot, new token
-- returns: per claim: {'granted', attempt, doc} | {'refused', its state, 'waiting', 'away', 'unsupported', 'foreign',
--   'paused', 'concurrency' or 'rate'} | {'expired'}
--   | {'unknown'} | {'error', why}
local at, host = clock(ARGV[1]), ARGV[2]
local lease = int(at + tonumber(ARGV[3]))
-- the same for all of its claims
local pauses = redis.call('GET', K.paused)
local is_away = ARGV[4] == '1' or redis.call('SISMEMBER', K.away, host) == 1 or redis.call('SISMEMBER', K.barred, host) == 1

local function claim(id, slot, token)
  if slot ~= '_any' and slot ~= host then return {'refused', 'foreign'} end
  local exec, job = K.exec .. slot .. ':' .. id, K.job .. id
  -- everything that decides the claim is read before the first write
  local record = redis.call('HMGET', exec, 'state', 'last', 'events', 'attempt', 'parked', 'paced')
  local known, few = read_job(id, 'shared', 'cancel')
  local is_shared, is_cancelled = known[FIRST_OWN], known[FIRST_OWN + 1]
  local conc, _, is_outside, rate, expires
  if few then conc, _, is_outside, rate, expires = unpack(few) end
  local op, fanout = known[4] or '?', known[5]
  local pause, is_of_hosts, starts
  if pauses then pause, is_of_hosts, starts = pause_of(pauses, id, op, host, at) end
  local doc = redis.call('GET', K.doc .. id)
  local state = record[1]
  if state ~= 'submitted' then
    -- a repeated claim: our first answer was lost. The lease counts from now on, as the agent will take it
    local held = redis.call('HMGET', K.exec .. host .. ':' .. id, 'token', 'attempt', 'state')
    if held[1] == token and held[3] == 'started' then
      redis.call('ZADD', K.leases, lease, id .. ':' .. host)
      return {'granted', num(held[2]), doc}
    end
    if not state and slot == '_any' then -- another agent claimed it
      state = redis.call('HGET', K.exec .. (redis.call('HGET', job, 'slot') or slot) .. ':' .. id, 'state')
    end
    count(K.stats, 'claims_refused', 1)
    return state and {'refused', state} or {'unknown'}
  end
  local member = id .. ':' .. slot
  local published = redis.call('ZSCORE', K.waiting .. slot, id)
  -- an execution that waits for a time has no message, except one that came too early
  if not published and redis.call('ZSCORE', K.due, member) then
    count(K.stats, 'claims_refused', 1)
    return {'refused', 'waiting'}
  end
  if fanout and fanout ~= FANNED_OUT then redis.call('LRANGE', K.slots .. id, 0, 0) end -- ends the claim if it is damaged
  if published then redis.call('ZREM', K.waiting .. slot, id) end
  if record[5] then published = unpark(id, slot, record[5]) or published end
  if not known[1] then return {'unknown'} end -- the job was deleted
  if is_cancelled and not is_outside then -- the cancel has not reached this execution yet
    transition(id, slot, at, slot, {{'cancelled', 'cancelled', redis.call('HGET', job, 'canceller') or nil}})
    return {'refused', 'cancelled'}
  end
  if is_away then
    -- the agent drains and still reads its queues, or it stops: the message goes back to the queue
    redis.call('ZADD', K.due, int(at), member)
    return {'refused', 'away'}
  end
  if is_outside then return {'refused', 'foreign'} end -- an external driver runs it
  if is_shared and (redis.call('SISMEMBER', K.offers .. op, host) == 0
    or is_shared == 'inner' and not offers_all(host, op, redis.call('HGET', job, 'ops'))) then
    -- the agent joined after the submission, and others can run it. Delay it: an idle agent must not loop
    redis.call('ZADD', K.due, int(at + 1000000), member)
    return {'refused', 'unsupported'}
  end
  if expires and num(expires) <= at then
    transition(id, slot, at, slot == '_any' and host or slot, {{'expired', 'expired', 'not started before its deadline'}})
    return {'expired'}
  end
  if pause then
    if slot == '_any' and is_of_hosts then
      offer_later(member, at, record[2])
    else
      park(id, slot, 'pause:' .. pause, published or at)
    end
    return {'refused', 'paused'}
  end
  local turn = rate and put_off(id, rate, at)
  if turn then
    redis.call('ZADD', K.due, int(turn), member)
    redis.call('HSET', exec, 'paced', '1')
    count(K.stats, 'starts_put_off', 1)
    return {'refused', 'rate'}
  end
  local reason, key
  if conc then reason, key = take_key(id, slot, host, conc, num(known[2]), num(published or at), at) end
  if reason then
    if reason == 'later' then offer_later(member, at, record[2]) else park(id, slot, reason, published or at) end
    return {'refused', 'concurrency'}
  end

  if rate then take_start(id, rate, at) end
  if starts then take_starts(starts) end
  if record[6] then redis.call('HDEL', exec, 'paced') end
  if is_shared then
    local last_host = redis.call('HGET', job, 'host')
    redis.call('RENAME', exec, K.exec .. host .. ':' .. id)
    redis.call('HSET', job, 'slot', host, 'host', host)
    if last_host ~= host then change_host(id, known[2], known[1], last_host, host) end
  end
  local attempt = num(record[4]) + 1
  transition(id, host, at, host, {{'acknowledged', 'acknowledged'}, {'started', 'started'}},
    {'attempt', int(attempt), 'token', token, key and 'key', key}, record, known, few)
  if published then observe('wait', op, at - tonumber(published)) end
  redis.call('ZADD', K.leases, lease, id .. ':' .. host)
  return {'granted', attempt, doc}
end

return each_apart(claim, 5, #ARGV, 3)
