-- The only way to change the state of an execution. Needs: clock, events, status, index, advance, settle.
-- steps: {{state, event, note}, ...}, applied together; each is checked against the table of transitions.
-- more: fields of the execution that are written with its state, with their values, or nil. read: its {state, last, events}
-- if the caller has just read them, or nil; known, few: what `read_job` has just read, or nil, for a step to a state that is not final.
-- Updates state, counts, timeline, the job's status and its indexes together, each record with one command: claims and
-- results are the calls that a fleet makes most. Returns false if a step is not allowed.

-- Reads the fields of a job that every transition needs: from FIRST_COUNT on the counts of its unfinished states, which
-- are the first of STATES, and from FIRST_OWN on the fields that the caller names. The second answer is the terms that few
-- jobs have, {conc, rollout, outside, rate, expires, ops}, or nil for a job without any (`plain`). Four fields take as long as
-- one more command, so the others are read when they are needed.
local FIRST_COUNT, FIRST_OWN = 7, 10
local function read_job(id, ...)
  local known = redis.call('HMGET', K.job .. id, 'status', 'created', 'updated', 'op', 'fanout', 'plain', UNFINISHED_FIELDS, ...)
  if known[6] then return known end
  return known, redis.call('HMGET', K.job .. id, 'conc', 'rollout', 'outside', 'rate', 'expires', 'ops')
end

-- What a call adds to the measurements, {field: number}: most of several executions add to the same fields, so each script
-- stores it once, at its end.
local measured = {}

local function store_measured()
  for field, by in pairs(measured) do count(K.measured, field, int(by)) end
end

local function measure(field, by)
  measured[field] = (measured[field] or 0) + by
end

-- Adds a duration to the operation's distribution ('wait' or 'run'): to one bucket, and to the sum.
local function observe(what, op, micros)
  micros = math.max(0, micros)
  local start = what .. '|' .. op .. '|'
  measure(start .. bucket_of(micros), 1)
  measure(start .. 'sum', micros)
end

local function transition(id, slot, at, host, steps, more, read, known, few)
  local exec, job = K.exec .. slot .. ':' .. id, K.job .. id
  local before = read or redis.call('HMGET', exec, 'state', 'last', 'events')
  local from = before[1]
  local state = from
  for i = 1, #steps do
    local step = steps[i]
    if not state or not string.find(MOVES, ' ' .. state .. '>' .. step[1] .. ' ', 1, true) then return false end
    state = step[1]
  end
  -- read before the first write
  local is_final = state ~= 'submitted' and state ~= 'acknowledged' and state ~= 'started'
  local now = known
  if not now then now, few = read_job(id, 'n.' .. state) end
  local fanout, conc, rollout = now[5], few and few[1], few and is_final and few[2]
  local status = now[1]
  if not status then return false end -- the job was deleted
  if fanout and fanout ~= FANNED_OUT then redis.call('LRANGE', K.slots .. id, 0, 0) end -- ends the script if it is damaged

  local fields, events, time = more or {}, num(before[3]), later(at, before[2])
  local last, number = #fields
  for i = 1, #steps do
    local step = steps[i]
    events = events + 1
    number = int(events)
    fields[last + 1] = 'e' .. number
    fields[last + 2] = time .. '|' .. step[2] .. '|' .. host .. '|' .. (step[3] or '')
    last = last + 2
  end
  redis.call('HSET', exec, 'state', state, 'events', number or int(events), 'last', time, unpack(fields))

  if conc and (is_final or state == 'submitted') then leave_execution(id, slot, conc, at) end
  local op, change, gone = now[4] or '?', {}, {}
  local counts, terms
  if not fanout then -- the job has no other execution
    if from ~= state then change[1], change[2], gone[1] = 'n.' .. state, '1', 'n.' .. from end
    local is_failure = state == 'failed' or state == 'expired' or state == 'lost'
    terms = {status = is_failure and 'failed' or (is_final or state == 'submitted') and state or 'processing'}
  else
    local old = from == 'submitted' and 1 or from == 'acknowledged' and 2 or 3
    local new = state == 'submitted' and 1 or state == 'acknowledged' and 2 or state == 'started' and 3 or 4
    counts = {num(now[FIRST_COUNT]), num(now[FIRST_COUNT + 1]), num(now[FIRST_COUNT + 2]), is_final and num(now[FIRST_OWN])}
    if from ~= state then
      counts[old], counts[new] = math.max(0, counts[old] - 1), counts[new] + 1
      change[1], change[2] = 'n.' .. state, int(counts[new])
      if counts[old] == 0 then gone[1] = 'n.' .. from else change[3], change[4] = 'n.' .. from, int(counts[old]) end
    end
    -- while an execution runs, or one waits and another has ended, the job is in progress: the other counts do not matter
    if rollout or (counts[2] + counts[3] == 0 and (not is_final or counts[1] == 0)) then
      counts, terms = all_counts(job, counts, state), {}
    else
      counts = nil
    end
  end
  if terms and (is_final or fanout) then
    local rest = redis.call('HMGET', job, 'target', 'tags', 'host', 'groups')
    terms.conc, terms.expires = conc, few and few[5]
    terms.opened = fanout and redis.call('HGET', job, 'opened') -- only a broadcast is opened in steps
    terms.listed = {now[4], rest[1], rest[2], rest[3], fanout, rest[4], few and few[6]}
  end
  if is_final then
    measure('ended|' .. op .. '|' .. state, 1)
    -- the last event of a running execution is its start; the run time of a lost one is unknown
    if from == 'started' and state ~= 'lost' then observe('run', op, at - num(before[2])) end
  elseif state == 'submitted' then
    measure('retried|' .. op, 1)
  end
  local news
  if rollout then -- `advance` continues from the stored counts
    if #change > 0 then redis.call('HSET', job, unpack(change)) end
    if #gone > 0 then redis.call('HDEL', job, unpack(gone)) end
    change, gone = {}, {}
    news = advance(id, at, counts, op)
  end
  status = settle(id, at, counts, now, terms and terms.opened, change, gone, terms)
  local first = 1
  for i = 1, #steps do -- one entry for steps that share their note: most come in pairs
    local step, following = steps[i], steps[i + 1]
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
