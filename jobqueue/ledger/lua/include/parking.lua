-- Executions that may not start now are parked: they leave their queue for `parked:REASON`, which keeps the times at which
-- they were published. `return_parked` puts them back at the front of their queues, in that order. The field `parked` of
-- an execution is the reason. Needs: clock.

-- The time at which a pause with a rate (a bucket of `burst` starts that fills by one in each interval) has all of its starts
-- again, from the time that is stored in `paced`: one later than a burst from now was stored before the clock went back.
local function all_free_at(stored, burst, interval, at)
  return math.min(num(stored), at + burst * interval)
end

-- A pause that holds back an operation, or one within its data, on this host: its id, and whether it is one of hosts; nil without any. Then the third
-- value is the starts to take from the rates of pauses, for `take_starts`, or nil. One read while there is no pause. Agents may
-- read this list, which has no reasons.
local function pause_of(paused, job, op, host, at)
  local operations
  local function is_of(value)
    if not operations then operations = op .. '\n' .. (redis.call('HGET', K.job .. job, 'ops') or '') end
    local family = string.sub(value, -2) == '.*' and string.sub(value, 1, -2)
    for one in string.gmatch(operations, '[^\n]+') do
      if one == value or (family and string.sub(one, 1, #family) == family) then return true end
    end
    return false
  end
  local spent, is_of_hosts, starts, tags
  for id, kind, burst, interval, until_, value in
    string.gmatch(paused, '(%x+)|(%l+)@?(%d*),?(%d*)|(%d*)|([^\n]*)\n') do
    if kind == 'tag' and not tags then tags = redis.call('HGET', K.job .. job, 'tags') or '' end
    local is_met = kind == 'everything'
      or (kind == 'operation' and is_of(value))
      or (kind == 'tag' and string.find('\n' .. tags .. '\n', '\n' .. value .. '\n', 1, true))
      or (kind == 'target' and redis.call('SISMEMBER', K.paused_hosts .. id, host) == 1)
    if is_met and (until_ == '' or num(until_) > at) then
      if burst == '' then return id, kind == 'target' end
      local full = all_free_at(redis.call('HGET', K.paced, id), num(burst), num(interval), at)
      if full - (num(burst) - 1) * num(interval) > at then
        spent, is_of_hosts = id, kind == 'target'
      else
        starts = starts or {}
        starts[#starts + 1], starts[#starts + 2] = id, int(math.max(full, at) + num(interval))
      end
    end
  end
  if spent then return spent, is_of_hosts end
  return nil, false, starts
end

-- An execution starts: takes what `pause_of` returned.
local function take_starts(starts)
  redis.call('HSET', K.paced, unpack(starts))
end

-- Parks a waiting execution that is in no queue any more; `time`: when it was published.
local function park(id, slot, reason, time)
  redis.call('HSET', K.exec .. slot .. ':' .. id, 'parked', reason)
  redis.call('ZADD', K.parked .. reason, 'NX', int(tonumber(time)), id .. ':' .. slot)
end

-- An execution in the shared queue that this host may not start, and others may. The longer it has waited, the later it is
-- offered again: an idle agent must not loop.
local function offer_later(member, at, since)
  local waited = at - num(since)
  redis.call('ZADD', K.due, int(at + math.max(1000000, math.min(15000000, waited / 2))), member)
end

-- The execution is parked no more; returns the time at which it was published, or nil.
local function unpark(id, slot, reason)
  local member = id .. ':' .. slot
  local time = redis.call('ZSCORE', K.parked .. reason, member)
  redis.call('ZREM', K.parked .. reason, member)
  redis.call('HDEL', K.exec .. slot .. ':' .. id, 'parked')
  return time or nil
end
