-- Returns an execution to its queue: it waits until `due`, then maintenance publishes it again.
-- Needs: transition, answer. An `_any` execution returns to the shared slot, so that any agent may claim it.
-- Returns false if the transition is not allowed.
local function release(id, host, at, due, event, note)
  if not transition(id, host, at, host, {{'submitted', event, note}}) then return false end
  redis.call('ZREM', K.leases, id .. ':' .. host)
  forget_answer(host .. ':' .. id)
  local exec, slot = K.exec .. host .. ':' .. id, host
  redis.call('HDEL', exec, 'token', 'idle')
  local job = redis.call('HMGET', K.job .. id, 'shared', 'expires')
  if job[1] then
    slot = '_any'
    redis.call('RENAME', exec, K.exec .. slot .. ':' .. id)
    redis.call('HSET', K.job .. id, 'slot', slot)
  end
  redis.call('ZADD', K.due, int(due), id .. ':' .. slot)
  -- the deadline may have passed during the run, and its entry been removed
  if job[2] then
    redis.call('ZADD', K.deadlines, job[2], id)
    redis.call('HDEL', K.job .. id, 'expiring') -- or `expire` has looked at this execution already
  end
  return true
end
