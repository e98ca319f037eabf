-- Schedules that follow the endings of jobs, by the list that the jobs are on. While there are any, `followed` is how far they
-- have processed the events of jobs. Needs: clock.
local function follow(name, list, at)
  local key = K.schedule .. name
  local before = redis.call('HGET', key, 'follows') or ''
  if before == list then return end
  if before ~= '' then redis.call('ZREM', K.followers .. before, name) end
  if list == '' then
    redis.call('HDEL', key, 'follows')
    redis.call('ZREM', K.following, name)
    if redis.call('ZCARD', K.following) > 0 then return end
    redis.call('DEL', K.followed)
    if redis.call('ZCARD', K.notifications) == 0 then redis.call('DEL', K.job_notices) end
    return
  end
  redis.call('HSET', key, 'follows', list)
  redis.call('ZADD', K.followers .. list, 0, name)
  redis.call('ZADD', K.following, 0, name)
  if redis.call('EXISTS', K.followed) == 1 then return end
  local newest = redis.call('XREVRANGE', K.job_notices, '+', '-', 'COUNT', 1)[1]
  redis.call('SET', K.followed, newest and newest[1] or begin_stream(K.job_notices, int(at)))
end
