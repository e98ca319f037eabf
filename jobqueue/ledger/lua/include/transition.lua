-- The only way to change the state of an execution. Needs: clock, events, status, index, rollout, settle.
-- steps: {{state, event, note}, ...}, applied together; each is checked against the table of transitions.
-- Updates state, counts, timeline, the job's status and its indexes together. Returns false if a step is not allowed.
local COUNTS = {'status', 'created', 'updated', 'op'}
for _, state in ipairs(STATES) do COUNTS[#COUNTS + 1] = 'n.' .. state end
COUNTS[#COUNTS + 1] = 'opened'
COUNTS[#COUNTS + 1] = 'fanout'

-- Adds a duration to the operation's distribution ('wait' or 'run'): to one bucket, and to the sum.
local function observe(what, op, micros)
  micros = math.max(0, micros)
  local bucket = 1
  while BUCKETS[bucket] and micros > BUCKETS[bucket] do bucket = bucket + 1 end
  count(K.measured, what .. '|' .. op .. '|' .. bucket, 1)
  count(K.measured, what .. '|' .. op .. '|sum', int(micros))
end

local function transition(id, slot, at, host, steps)
  local exec, job = K.exec .. slot .. ':' .. id, K.job .. id
  local before = redis.call('HMGET', exec, 'state', 'last')
  local from = before[1]
  local state = from
  for _, step in ipairs(steps) do
    if not (ALLOWED[state] and ALLOWED[state][step[1]]) then return false end
    state = step[1]
  end
  -- read before the first write
  local now = redis.call('HMGET', job, unpack(COUNTS))
  if not now[1] then return false end -- the job was deleted
  if now[#COUNTS] and now[#COUNTS] ~= FANNED_OUT then need('list', K.slots .. id) end
  redis.call('HSET', exec, 'state', state)
  local times = {}
  for i, step in ipairs(steps) do times[i] = append_event(exec, at, step[2], host, step[3]) end
  local left = count(job, 'n.' .. from, -1)
  if left <= 0 then redis.call('HDEL', job, 'n.' .. from) end
  local more = count(job, 'n.' .. state, 1)
  for i, name in ipairs(STATES) do
    if name == state then now[4 + i] = more elseif name == from then now[4 + i] = math.max(0, left) end
  end

  local op = now[4] or '?'
  if FINAL_STATES[state] then
    count(K.measured, 'ended|' .. op .. '|' .. state, 1)
    -- the last event of a running execution is its start; the run time of a lost one is unknown
    if from == 'started' and state ~= 'lost' then observe('run', op, at - num(before[2])) end
  elseif state == 'submitted' then
    count(K.measured, 'retried|' .. op, 1)
  end
  local is_stepwise, counts = now[#COUNTS - 1], {unpack(now, 5, 4 + #STATES)}
  local news = is_stepwise and FINAL_STATES[state] and advance(id, at, counts, op) or {}
  local status = settle(id, at, counts, now, is_stepwise)
  local first = 1
  for i, step in ipairs(steps) do -- one entry per moment: most steps come in pairs
    local following = steps[i + 1]
    if not following or times[i + 1] ~= times[i] or following[3] ~= step[3] then
      local events = {}
      for j = first, i do events[#events + 1] = steps[j][2] end
      announce(id, status, times[i], table.concat(events, ','), host, step[3])
      first = i + 1
    end
  end
  announce_all(id, status, at, news)
  return true
end
