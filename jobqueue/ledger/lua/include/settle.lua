-- Derives a job's status from its counts, and moves its indexes with it. Needs: clock, events, status, index, concurrency.
-- counts: in the order of STATES; known: its {status, created, updated} so far; is_stepwise: it is opened in steps.
-- change: what else is written with it, in the same commands: {fields, gone, indexed, no_deadline}: fields of its hash
-- with their values, fields to delete, the fields that `dimensions` needs, whether it is not among the deadlines, and the
-- terms of its concurrency key (`conc`; false: none, nil: not read).
-- Returns the status.
local function settle(id, at, counts, known, is_stepwise, change)
  local job, status = K.job .. id, derive_status(counts)
  change = change or {fields = {}, gone = {}}
  local fields, gone = change.fields, change.gone
  fields[#fields + 1], fields[#fields + 2], fields[#fields + 3] = 'status', status, 'updated'
  fields[#fields + 1] = int(math.max(at, num(known[3])))
  redis.call('HSET', job, unpack(fields))
  local is_final = status ~= known[1] and FINAL[status]
  if is_final then -- only needed if an agent dies
    gone[#gone + 1] = 'idempotent'
    gone[#gone + 1] = 'retry'
  end
  if #gone > 0 then redis.call('HDEL', job, unpack(gone)) end
  if status ~= known[1] then reindex(id, known[2], known[1], status, change.indexed) end
  if is_final then
    if change.conc == nil then change.conc = redis.call('HGET', job, 'conc') end
    if change.conc then leave_job(id, change.conc, at) end
    redis.call('ZADD', K.finished, int(at), id)
    if not change.no_deadline then redis.call('ZREM', K.deadlines, id) end
    if is_stepwise then
      redis.call('ZREM', K.opening, id)
      redis.call('HDEL', job, 'paused', 'awaits')
    end
  end
  return status
end

-- Announces what `advance` returned.
local function announce_all(id, status, at, news)
  for _, each in ipairs(news) do announce(id, status, int(at), each[1], '_api', each[2]) end
end

-- Ends the executions that are held, together. Needs: rollout. Returns the job's status, or nil if none was held.
local function end_held(id, at, state, reason)
  local job, fields = K.job .. id, {'status', 'created', 'updated', 'op', 'opened', 'rest'}
  for _, name in ipairs(STATES) do fields[#fields + 1] = 'n.' .. name end
  local known = redis.call('HMGET', job, unpack(fields))
  if not known[5] or known[6] then return nil end
  local counts, hosts = {unpack(known, 7, 6 + #STATES)}, 0
  for i = 1, #STATES do hosts = hosts + num(counts[i]) end
  local held = hosts - num(known[5])
  if held <= 0 then return nil end
  end_rest(id, at, state, reason, counts, held, known[4])
  local news = advance(id, at, counts, known[4])
  redis.call('ZREM', K.opening, id)
  local status = settle(id, at, counts, known, true)
  announce(id, status, int(at), state, '_api', reason)
  announce_all(id, status, at, news)
  return status
end
