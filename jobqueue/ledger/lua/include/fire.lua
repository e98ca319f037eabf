-- The time of a schedule that a job is made for: 'fired|{name}|{serial}|{time}|{next time}|{when it fires}', or
-- 'triggered|{name}|{serial}|{time}||' for a job that is made beside its times. The job is stored and the schedule proceeds
-- in one step: so each time makes one job, whichever process dies at whatever moment. Needs: clock schedule.
local function fire_of(text)
  return string.match(text, '^(%a+)|([^|]+)|([^|]+)|(%d+)|(%d*)|(%d*)$')
end

-- Whether the schedule is unchanged, and has not processed this time.
local function may_fire(text)
  local outcome, name, serial, time = fire_of(text)
  local known = redis.call('HMGET', K.schedule .. name, 'serial', 'next')
  return known[1] == serial and (outcome == 'triggered' or known[2] == time)
end

-- The schedule proceeds; once for each time.
local function note_fire(job, created)
  if not may_fire(job.fire) then return end
  local outcome, name, _, time, next, due = fire_of(job.fire)
  redis.call('HSET', K.schedule .. name, 'job', job.id)
  add_result(name, time, time, created, outcome, '1', job.id, '')
  if outcome == 'triggered' then return end
  count(K.measured, 'schedule|late', int(math.max(0, created - num(redis.call('HGET', K.schedule .. name, 'due')))))
  plan(name, next, due, created)
end
