-- Ends executions of one job that have not started, together: counts, status and indexes move once for all of them.
-- Needs: clock, events, status, index, rollout, settle, parking. For a slice of a broadcast's executions, at the cost of a few commands each.

-- Those of the slots whose executions have not started, with the records that `end_waiting` needs: read before the first
-- write. is_lenient: damaged records are left out (`jobqueue doctor` repairs them); else they are an error.
local function waiting_among(id, slots, is_lenient)
  local waiting, records = {}, {}
  local read = is_lenient and redis.pcall or redis.call
  for _, slot in ipairs(slots) do
    local record = read('HMGET', K.exec .. slot .. ':' .. id, 'state', 'events', 'last', 'parked')
    if not record.err and record[1] == 'submitted' then
      waiting[#waiting + 1] = slot
      records[#waiting] = record
    end
  end
  return waiting, records
end

-- state: the final state, and the event of the same name. Returns the job's status.
local function end_waiting(id, waiting, records, at, state, note)
  local job, fields = K.job .. id, {'status', 'created', 'updated', 'op', 'opened'}
  for _, name in ipairs(STATES) do fields[#fields + 1] = 'n.' .. name end
  local known = redis.call('HMGET', job, unpack(fields))
  if #waiting == 0 or not known[1] then return known[1] end
  local times = {}
  for i, slot in ipairs(waiting) do
    local events, time = num(records[i][2]) + 1, later(at, records[i][3])
    redis.call('HSET', K.exec .. slot .. ':' .. id, 'state', state, 'events', events, 'last', time,
      'e' .. events, time .. '|' .. state .. '|' .. slot .. '|' .. note)
    if redis.call('ZREM', K.waiting .. slot, id) == 0 then redis.call('ZREM', K.due, id .. ':' .. slot) end
    if records[i][4] then unpark(id, slot, records[i][4]) end
    times[i] = time
  end
  local left = count(job, 'n.submitted', -#waiting)
  if left <= 0 then redis.call('HDEL', job, 'n.submitted') end
  local more, counts = count(job, 'n.' .. state, #waiting), {unpack(known, 6, 5 + #STATES)}
  for i, name in ipairs(STATES) do
    if name == state then counts[i] = more elseif name == 'submitted' then counts[i] = math.max(0, left) end
  end
  count(K.measured, 'ended|' .. (known[4] or '?') .. '|' .. state, #waiting)
  local news = known[5] and advance(id, at, counts, known[4] or '?') or {}
  local status = settle(id, at, counts, known, known[5])
  for i, slot in ipairs(waiting) do announce(id, status, times[i], state, slot, note) end
  announce_all(id, status, at, news)
  return status
end
