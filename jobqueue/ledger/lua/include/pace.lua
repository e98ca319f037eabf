-- The rate of a job: a bucket of `burst` starts that fills by one start in each interval. Needs: clock.
-- Fields of the job's hash: `rate`: burst|interval in microseconds; `full_at`: when the bucket is full again; `turn`: when
-- the last execution that was put off is offered again. An execution that is put off has the field `paced`.

-- When an execution that may not start now is offered again: each at a time of its own. Nil if it may start.
local function put_off(id, rate, at)
  local burst, interval = string.match(rate, '^(%d+)|(%d+)$')
  if not burst then return at + 60000000 end -- altered: it does not start faster than it was signed to
  burst, interval = num(burst), num(interval)
  local found = redis.call('HMGET', K.job .. id, 'full_at', 'turn')
  local full_at, last_turn = num(found[1]), num(found[2])
  -- a clock that went back must not hold up the job
  if full_at > at + burst * interval then full_at, last_turn = at + burst * interval, 0 end
  local free = full_at - (burst - 1) * interval
  if free <= at then return nil end
  local turn = math.max(free, last_turn + interval)
  redis.call('HSET', K.job .. id, 'turn', int(turn), 'full_at', int(full_at))
  return turn
end

-- Takes one start from the bucket.
local function take_start(id, rate, at)
  local burst, interval = string.match(rate, '^(%d+)|(%d+)$')
  local full_at = math.min(num(redis.call('HGET', K.job .. id, 'full_at')), at + num(burst) * num(interval))
  redis.call('HSET', K.job .. id, 'full_at', int(math.max(full_at, at) + num(interval)))
end
