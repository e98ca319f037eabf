-- Claims an execution for an agent: at most one claim of an attempt succeeds; it returns a lease and a fencing token.
-- include: clock events status index batches rollout concurrency settle transition parking
-- KEYS: none
-- ARGV: 1 now, 2 job id, 3 slot, 4 hostname of the agent, 5 new token, 6 lease in microseconds
-- returns: {'granted', attempt, doc} | {'refused', its state, 'waiting', 'away', 'unsupported', 'foreign',
--   'paused' or 'concurrency'} | {'expired'}
--   | {'unknown'}
local at = clock(ARGV[1])
local id, slot, host, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local exec, job = K.exec .. slot .. ':' .. id, K.job .. id
local mine = K.exec .. host .. ':' .. id

if slot ~= '_any' and slot ~= host then return {'refused', 'foreign'} end
-- everything that decides the claim is read before the first write
local record = redis.call('HMGET', exec, 'state', 'last', 'events', 'attempt', 'parked')
local known = redis.call('HMGET', job, 'expires', 'shared', 'host', 'status', 'created', 'op', 'outside', 'slot',
  'fanout', 'cancel', 'canceller', 'tags', 'conc')
local pause, is_of_hosts = pause_of(known[6] or '?', known[12] or '', host, at)
local is_away = redis.call('SISMEMBER', K.away, host) == 1 or redis.call('SISMEMBER', K.barred, host) == 1
local doc = redis.call('GET', K.doc .. id)
local state = record[1]
if state ~= 'submitted' then
  -- a repeated claim: our first answer was lost
  local held = redis.call('HMGET', mine, 'token', 'attempt', 'state')
  if held[1] == token and held[3] == 'started' then
    return {'granted', num(held[2]), doc}
  end
  if not state and slot == '_any' then -- another agent claimed it
    state = redis.call('HGET', K.exec .. (known[8] or slot) .. ':' .. id, 'state')
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
if known[9] and known[9] ~= FANNED_OUT then need('list', K.slots .. id) end
if published then redis.call('ZREM', K.waiting .. slot, id) end
if record[5] then published = unpark(id, slot, record[5]) or published end
if not known[4] then return {'unknown'} end -- the job was deleted
if known[10] and not known[7] then -- the cancel has not reached this execution yet
  transition(id, slot, at, slot, {{'cancelled', 'cancelled', known[11] or nil}})
  return {'refused', 'cancelled'}
end
if is_away then
  -- the agent drains and still reads its queues: the message goes back to the queue
  redis.call('ZADD', K.due, int(at), member)
  return {'refused', 'away'}
end
known[6] = known[6] or '?'
if known[7] then return {'refused', 'foreign'} end -- an external driver runs it
if known[2] and redis.call('SISMEMBER', K.offers .. known[6], host) == 0 then
  -- the agent joined after the submission, and others can run it. Delay it: an idle agent must not loop
  redis.call('ZADD', K.due, int(at + 1000000), member)
  return {'refused', 'unsupported'}
end
if known[1] and num(known[1]) <= at then
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
local reason, key = take_key(id, slot, host, known[13], num(known[5]), num(published or at), at)
if reason then
  if reason == 'later' then offer_later(member, at, record[2]) else park(id, slot, reason, published or at) end
  return {'refused', 'concurrency'}
end

if known[2] then
  redis.call('RENAME', exec, mine)
  redis.call('HSET', job, 'slot', host, 'host', host)
  if known[3] ~= host then
    if known[3] then redis.call('ZREM', K.index .. 'host:' .. known[3] .. '|' .. known[4], id) end
    redis.call('ZADD', K.index .. 'host:' .. host .. '|' .. known[4], int(num(known[5])), id)
  end
end
local attempt = num(record[4]) + 1
transition(id, host, at, host, {{'acknowledged', 'acknowledged'}, {'started', 'started'}},
  {'attempt', int(attempt), 'token', token, key and 'key', key}, record)
if published then observe('wait', known[6], at - tonumber(published)) end
redis.call('ZADD', K.leases, int(at + tonumber(ARGV[6])), id .. ':' .. host)
return {'granted', attempt, doc}
