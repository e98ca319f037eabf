-- The only way to change the state of an execution. Needs: clock, events, status, index, advance, settle.
-- steps: {{state, event, note}, ...}, applied together; each is checked against the table of transitions.
-- more: fields of the execution that are written with its state, with their values, or nil. read: its {state, last, events}
-- if the caller has just read them, or nil; known: what `read_job` has just read, or nil.
-- Updates state, counts, timeline, the job's status and its indexes together, each record with one command: claims and
-- results are the calls that a fleet makes most. Returns false if a step is not allowed.

-- Reads the fields of a job that a transition needs, and after them those that the caller names: from FIRST_OWN on.
local FIRST_COUNT = 14
local FIRST_OWN = FIRST_COUNT + #STATES
local function read_job(id, ...)
  return redis.call('HMGET', K.job .. id, 'status', 'created', 'updated', 'op', 'opened', 'expires', 'target', 'tags',
    'host', 'fanout', 'groups', 'conc', 'rollout', COUNT_FIELDS, ...)
end

-- Adds a duration to the operation's distribution ('wait' or 'run'): to one bucket, and to the sum.
local function observe(what, op, micros)
  micros = math.max(0, micros)
  local bucket = 1
  while BUCKETS[bucket] and micros > BUCKETS[bucket] do bucket = bucket + 1 end
  local start = what .. '|' .. op .. '|'
  count(K.measured, start .. bucket, '1')
  count(K.measured, start .. 'sum', int(micros))
end

local function transition(id, slot, at, host, steps, more, read, known)
  local exec, job = K.exec .. slot .. ':' .. id, K.job .. id
  local before = read or redis.call('HMGET', exec, 'state', 'last', 'events')
  local from = before[1]
  local state = from
  for _, step in ipairs(steps) do
    if not state or not string.find(MOVES, ' ' .. state .. '>' .. step[1] .. ' ', 1, true) then return false end
    state = step[1]
  end
  -- read before the first write
  local now = known or read_job(id)
  local status = now[1]
  if not status then return false end -- the job was deleted
  if now[10] and now[10] ~= FANNED_OUT then need('list', K.slots .. id) end

  local fields, events, time = more or {}, num(before[3]), int(math.max(at, num(before[2])))
  local last = #fields
  for _, step in ipairs(steps) do
    events = events + 1
    fields[last + 1] = 'e' .. events
    fields[last + 2] = time .. '|' .. step[2] .. '|' .. host .. '|' .. (step[3] or '')
    last = last + 2
  end
  redis.call('HSET', exec, 'state', state, 'events', events, 'last', time, unpack(fields))

  if now[12] and (FINAL_STATES[state] or state == 'submitted') then leave_execution(id, slot, now[12], at) end
  local counts, change, gone = {unpack(now, FIRST_COUNT, FIRST_OWN - 1)}, {}, {}
  if from ~= state then
    for i, name in ipairs(STATES) do
      local by = name == from and -1 or name == state and 1
      if by then
        counts[i] = math.max(0, num(counts[i]) + by)
        if counts[i] == 0 then
          gone[1] = 'n.' .. name
        else
          change[#change + 1] = 'n.' .. name
          change[#change + 1] = counts[i]
        end
      end
    end
  end

  local op, is_final = now[4] or '?', FINAL_STATES[state]
  if is_final then
    count(K.measured, 'ended|' .. op .. '|' .. state, '1')
    -- the last event of a running execution is its start; the run time of a lost one is unknown
    if from == 'started' and state ~= 'lost' then observe('run', op, at - num(before[2])) end
  elseif state == 'submitted' then
    count(K.measured, 'retried|' .. op, '1')
  end
  local news
  if now[13] and is_final then -- `advance` continues from the stored counts
    if #change > 0 then redis.call('HSET', job, unpack(change)) end
    if #gone > 0 then redis.call('HDEL', job, unpack(gone)) end
    change, gone = {}, {}
    news = advance(id, at, counts, op)
  end
  status = settle(id, at, counts, now, now[5], change, gone, now)
  local first = 1
  for i, step in ipairs(steps) do -- one entry for steps that share their note: most come in pairs
    local following = steps[i + 1]
    if not following or following[3] ~= step[3] then
      local names = steps[first][2]
      for j = first + 1, i do names = names .. ',' .. steps[j][2] end
      announce(id, status, time, names, host, step[3])
      first = i + 1
    end
  end
  if news then
    for _, each in ipairs(news) do announce(id, status, int(at), each[1], '_api', each[2]) end
  end
  return true
end
