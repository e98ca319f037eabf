-- What a job is made for. The time of a schedule: 'fired|{name}|{serial}|{time}|{next time}|{when it fires}', or
-- 'triggered|{name}|{serial}|{time}||' for a job that is made beside its times, or 'backfilled|...' for that of a time that has
-- passed, or 'followed|...' for one that follows another job. Or the node of a workflow's run: 'node|{run}|{node}|{serial}||'.
-- The job is stored and the schedule, or the run, proceeds in one step: so each time, and each attempt of a node, makes one
-- job, whichever process dies at whatever moment. Needs: clock schedule.
local function fire_of(text)
  return string.match(text, '^(%a+)|([^|]+)|([^|]+)|(%d+)|(%d*)|(%d*)$')
end

-- Outcomes that leave the schedule's next time as it is.
local BESIDE = {triggered = true, backfilled = true, followed = true, node = true}

-- Whether the job is made beside the schedule's times.
local function is_beside(text)
  return BESIDE[fire_of(text)]
end

-- Whether the schedule is unchanged, and has not processed this time; or the run is, and has no job for this node.
local function may_fire(text)
  local outcome, name, serial, time = fire_of(text)
  if outcome == 'node' then
    local known = redis.call('HMGET', K.workflow_run .. name, 'serial', 'cancelled', 'job|' .. serial)
    return known[1] == time and not known[2] and not known[3]
  end
  local known = redis.call('HMGET', K.schedule .. name, 'serial', 'next')
  return known[1] == serial and (BESIDE[outcome] or known[2] == time)
end

-- The schedule, or the run, proceeds; once for each time.
local function note_fire(job, created)
  if not may_fire(job.fire) then return end
  local outcome, name, serial, time, next, due = fire_of(job.fire)
  if outcome == 'node' then
    redis.call('HSET', K.workflow_run .. name, 'job|' .. serial, job.id, 'started|' .. serial, int(created), 'status', 'processing')
    return
  end
  if outcome ~= 'backfilled' then redis.call('HSET', K.schedule .. name, 'job', job.id) end
  add_result(name, time, time, created, outcome, '1', job.id, '')
  if BESIDE[outcome] then return end
  count(K.measured, 'schedule|late', int(math.max(0, created - num(redis.call('HGET', K.schedule .. name, 'due')))))
  plan(name, next, due, created)
end
