-- Executions that may not start now are parked: they leave their queue for `parked:REASON`, which keeps the times at which
-- they were published. `return_parked` puts them back at the front of their queues, in that order. The field `parked` of
-- an execution is the reason. Needs: clock.

-- A pause that holds back an operation on this host: its id, and whether it is one of hosts; nil without any. One read
-- while there is no pause. Agents may read this list, which has no reasons.
local function pause_of(op, tags, host, at)
  local paused = redis.call('GET', K.paused)
  if not paused then return nil end
  for id, kind, until_, value in string.gmatch(paused, '(%x+)|(%l+)|(%d*)|([^\n]*)\n') do
    local is_met = kind == 'everything'
      or (kind == 'operation' and (value == op or (string.sub(value, -2) == '.*'
        and string.sub(op, 1, #value - 1) == string.sub(value, 1, -2))))
      or (kind == 'tag' and string.find('\n' .. tags .. '\n', '\n' .. value .. '\n', 1, true))
      or (kind == 'target' and redis.call('SISMEMBER', K.paused_hosts .. id, host) == 1)
    if is_met and (until_ == '' or num(until_) > at) then return id, kind == 'target' end
  end
  return nil
end

-- Parks a waiting execution that is in no queue any more; `time`: when it was published.
local function park(id, slot, reason, time)
  redis.call('HSET', K.exec .. slot .. ':' .. id, 'parked', reason)
  redis.call('ZADD', K.parked .. reason, 'NX', int(time), id .. ':' .. slot)
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
