-- The time of a schedule that a job is made for: 'fired|{name}|{serial}|{time}|{next time}|{when it fires}', or
-- 'triggered|{name}|{serial}|{time}||' for a job that is made beside its times, or 'backfilled|...' for that of a time that has
-- passed, or 'followed|...' for one that follows another job. The job is stored and the schedule proceeds in one step: so each time makes one job, whichever process dies at whatever
-- moment. Needs: clock schedule.
local function fire_of(text)
  return string.match(text, '^(%a+)|([^|]+)|([^|]+)|(%d+)|(%d*)|(%d*)$')
end

-- Outcomes that leave the schedule's next time as it is.
local BESIDE = {triggered = true, backfilled = true, followed = true}

-- Whether the job is made beside the schedule's times.
local function is_beside(text)
  return BESIDE[fire_of(text)]
end

-- Whether the schedule is unchanged, and has not processed this time.
local function may_fire(text)
  local outcome, name, serial, time = fire_of(text)
  local known = redis.call('HMGET', K.schedule .. name, 'serial', 'next')
  return known[1] == serial and (BESIDE[outcome] or known[2] == time)
end

-- The schedule proceeds; once for each time.
local function note_fire(job, created)
  if not may_fire(job.fire) then return end
  local outcome, name, _, time, next, due = fire_of(job.fire)
  if outcome ~= 'backfilled' then redis.call('HSET', K.schedule .. name, 'job', job.id) end
  add_result(name, time, time, created, outcome, '1', job.id, '')
  if BESIDE[outcome] then return end
  count(K.measured, 'schedule|late', int(math.max(0, created - num(redis.call('HGET', K.schedule .. name, 'due')))))
  plan(name, next, due, created)
end
