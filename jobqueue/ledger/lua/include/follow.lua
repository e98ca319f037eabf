-- What follows the endings of jobs: schedules, by the list that the jobs are on, and runs of workflows. While there are any,
-- `followed` is how far they have processed the events of jobs. Needs: clock.
local function stop_following(name)
  redis.call('ZREM', K.following, name)
  if redis.call('ZCARD', K.following) > 0 then return end
  redis.call('DEL', K.followed)
  if redis.call('ZCARD', K.notifications) == 0 then redis.call('DEL', K.job_notices) end
end

local function start_following(name, at)
  redis.call('ZADD', K.following, 0, name)
  if redis.call('EXISTS', K.followed) == 1 then return end
  local newest = redis.call('XREVRANGE', K.job_notices, '+', '-', 'COUNT', 1)[1]
  redis.call('SET', K.followed, newest and newest[1] or begin_stream(K.job_notices, int(at)))
end

local function follow(name, list, at)
  local key = K.schedule .. name
  local before = redis.call('HGET', key, 'follows') or ''
  if before == list then return end
  if before ~= '' then redis.call('ZREM', K.followers .. before, name) end
  if list == '' then
    redis.call('HDEL', key, 'follows')
    stop_following(name)
    return
  end
  redis.call('HSET', key, 'follows', list)
  redis.call('ZADD', K.followers .. list, 0, name)
  start_following(name, at)
end
