-- Derives a job's status from its counts, and moves its indexes with it.
-- Needs: clock, events, notice, status, index, concurrency.
-- counts: in the order of STATES, or nil if the caller knows the status; known: its {status, created, updated} so far; is_stepwise: it is opened in steps.
-- fields, gone: fields of its hash to write with their values, and to delete, in the same commands, or nil; record: what
-- the caller has read of it, {status (nil: in progress), conc, expires, listed: see `dimensions`}, or nil. Returns the status.
local function settle(id, at, counts, known, is_stepwise, fields, gone, record)
  local job, before = K.job .. id, known[1]
  local status = counts and derive_status(counts) or record and record.status or 'processing'
  fields, gone = fields or {}, gone or {}
  local updated = later(at, known[3])
  if status == before then
    redis.call('HSET', job, 'updated', updated, unpack(fields))
    if #gone > 0 then redis.call('HDEL', job, unpack(gone)) end
    return status
  end
  redis.call('HSET', job, 'status', status, 'updated', updated, unpack(fields))
  local is_final = status ~= 'submitted' and status ~= 'processing'
  if is_final then -- only needed if an agent dies
    gone[#gone + 1] = 'idempotent'
    gone[#gone + 1] = 'retry'
  end
  if #gone > 0 then redis.call('HDEL', job, unpack(gone)) end
  local time = score(known[2])
  before = before or 'submitted' -- the record is damaged
  redis.call('ZREM', K.index .. 'all:|' .. before, id)
  redis.call('ZADD', K.index .. 'all:|' .. status, time, id)
  if is_final or (before ~= 'submitted' and before ~= 'processing') then relist(id, time, before, status, record and record.listed) end
  if is_final then
    local conc = record and record.conc
    if not record then conc = redis.call('HGET', job, 'conc') end
    if conc then leave_job(id, conc, at) end
    redis.call('ZADD', K.finished, int(at), id)
    notice(K.job_notices, 'ended', at, id, status)
    if not record or record.expires then redis.call('ZREM', K.deadlines, id) end
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
