-- The only way to change the state of an execution. Needs: clock, events, status, index, rollout, settle.
-- steps: {{state, event, note}, ...}, applied together; each is checked against the table of transitions.
-- more: fields of the execution that are written with its state, with their values, or nil. read: its {state, last, events}
-- if the caller has just read them, or nil.
-- Updates state, counts, timeline, the job's status and its indexes together, each record with one command: claims and
-- results are the calls that a fleet makes most. Returns false if a step is not allowed.
local COUNTS = {'status', 'created', 'updated', 'op'}
for _, state in ipairs(STATES) do COUNTS[#COUNTS + 1] = 'n.' .. state end
local FIRST_INDEXED = #COUNTS + 3
for _, field in ipairs({'opened', 'expires', 'op', 'target', 'tags', 'host', 'fanout', 'groups', 'conc'}) do
  COUNTS[#COUNTS + 1] = field
end

-- Adds a duration to the operation's distribution ('wait' or 'run'): to one bucket, and to the sum.
local function observe(what, op, micros)
  micros = math.max(0, micros)
  local bucket = 1
  while BUCKETS[bucket] and micros > BUCKETS[bucket] do bucket = bucket + 1 end
  count(K.measured, what .. '|' .. op .. '|' .. bucket, 1)
  count(K.measured, what .. '|' .. op .. '|sum', int(micros))
end

local function transition(id, slot, at, host, steps, more, read)
  local exec, job = K.exec .. slot .. ':' .. id, K.job .. id
  local before = read or redis.call('HMGET', exec, 'state', 'last', 'events')
  local from = before[1]
  local state = from
  for _, step in ipairs(steps) do
    if not (ALLOWED[state] and ALLOWED[state][step[1]]) then return false end
    state = step[1]
  end
  -- read before the first write
  local now = redis.call('HMGET', job, unpack(COUNTS))
  if not now[1] then return false end -- the job was deleted
  local indexed = {unpack(now, FIRST_INDEXED)}
  if indexed[5] and indexed[5] ~= FANNED_OUT then need('list', K.slots .. id) end

  local fields, events, time = more or {}, num(before[3]), int(math.max(at, num(before[2])))
  for _, step in ipairs(steps) do
    events = events + 1
    fields[#fields + 1] = 'e' .. int(events)
    fields[#fields + 1] = time .. '|' .. step[2] .. '|' .. host .. '|' .. (step[3] or '')
  end
  redis.call('HSET', exec, 'state', state, 'events', int(events), 'last', time, unpack(fields))

  local counts, change = {unpack(now, 5, 4 + #STATES)}, {fields = {}, gone = {}, indexed = indexed, no_deadline = not now[FIRST_INDEXED - 1],
    conc = now[FIRST_INDEXED + 6] or false}
  if change.conc and (FINAL_STATES[state] or state == 'submitted') then leave_execution(id, slot, change.conc, at) end
  for i, name in ipairs(STATES) do
    if name == from and name ~= state then
      counts[i] = math.max(0, num(counts[i]) - 1)
      if counts[i] == 0 then change.gone[1] = 'n.' .. name else change.fields = {'n.' .. name, int(counts[i])} end
    end
  end
  for i, name in ipairs(STATES) do
    if name == state and name ~= from then
      counts[i] = num(counts[i]) + 1
      change.fields[#change.fields + 1] = 'n.' .. name
      change.fields[#change.fields + 1] = int(counts[i])
    end
  end

  local op = now[4] or '?'
  if FINAL_STATES[state] then
    count(K.measured, 'ended|' .. op .. '|' .. state, 1)
    -- the last event of a running execution is its start; the run time of a lost one is unknown
    if from == 'started' and state ~= 'lost' then observe('run', op, at - num(before[2])) end
  elseif state == 'submitted' then
    count(K.measured, 'retried|' .. op, 1)
  end
  local is_stepwise, news = now[FIRST_INDEXED - 2], {}
  if is_stepwise and FINAL_STATES[state] then
    -- `advance` continues from the stored counts
    if #change.fields > 0 then redis.call('HSET', job, unpack(change.fields)) end
    if #change.gone > 0 then redis.call('HDEL', job, unpack(change.gone)) end
    change.fields, change.gone = {}, {}
    news = advance(id, at, counts, op)
  end
  local status = settle(id, at, counts, now, is_stepwise, change)
  local first = 1
  for i, step in ipairs(steps) do -- one entry for steps that share their note: most come in pairs
    local following = steps[i + 1]
    if not following or following[3] ~= step[3] then
      local names = {}
      for j = first, i do names[#names + 1] = steps[j][2] end
      announce(id, status, time, table.concat(names, ','), host, step[3])
      first = i + 1
    end
  end
  announce_all(id, status, at, news)
  return true
end
