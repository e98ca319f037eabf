-- Sets the next time of a schedule, and when it fires; '' if there is none. Needs: clock.
local function plan(name, next, due, at)
  if next == '' then
    redis.call('HDEL', K.schedule .. name, 'next', 'due')
    redis.call('ZREM', K.schedules_due, name)
    redis.call('ZREM', K.schedules_planned, name)
    return
  end
  redis.call('HSET', K.schedule .. name, 'next', next, 'due', due)
  redis.call('ZADD', K.schedules_due, due, name)
  redis.call('ZADD', K.schedules_planned, int(at), name)
end

-- Keeps the results of times. Equal results without a job are counted as one. Needs: clock notice.
local function add_result(name, begin, last, at, outcome, number, job, reason)
  local key = K.schedule_log .. name
  count(K.measured, 'schedule|' .. outcome, number)
  if job == '' then notice(K.notices, 'schedule', at, name, outcome .. '|' .. int(num(number)) .. '|' .. int(num(begin)) .. '|' .. reason) end
  local newest = job == '' and redis.call('LINDEX', key, -1)
  if newest then
    local first, _, _, what, times, id, why = string.match(newest, '^(%d+)|(%d+)|(%d+)|(%a+)|(%d+)|([^|]*)|(.*)$')
    if what == outcome and id == '' and why == reason then
      begin, number = first, int(num(times) + num(number))
      redis.call('RPOP', key)
    end
  end
  redis.call('RPUSH', key, table.concat({begin, last, int(at), outcome, number, job, reason}, '|'))
  redis.call('LTRIM', key, -KEPT_RESULTS, -1)
end
