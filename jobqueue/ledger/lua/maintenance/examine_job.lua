-- Compares a job's records with each other and repairs differences: everything is derived from the executions.
-- include: clock status index batches slots parking
-- KEYS: none
-- ARGV: 1 now, 2 job id, 3 '1' to repair or '', 4 length of a lease in microseconds
-- returns: what is wrong: 'record' (another type), 'half' (no document or no execution), 'execution', 'counts',
--   'index', 'finished', 'deadline', 'lease', 'waiting', 'opening', 'cancel'. The caller handles 'record' and 'half' by removing the job.
local at, id, repairs = clock(ARGV[1]), ARGV[2], ARGV[3] == '1'
local job = K.job .. id
for _, key in ipairs({job, K.doc .. id, K.slots .. id}) do
  if not is_sound(({[job] = 'hash', [K.doc .. id] = 'string', [K.slots .. id] = 'list'})[key], key) then return {'record'} end
end
local record = redis.call('HMGET', job, 'status', 'created', 'slot', 'fanout', 'expires', 'outside', 'op', 'updated', 'opened',
  'gate', 'rest', 'rollout', 'cancel')
if redis.call('EXISTS', job) == 0 then return {} end -- it was deleted a moment ago
local slots = recorded_slots(id, record[3], record[4], record[9])
local is_stepwise = record[9] and record[4] and true or false
local held = is_stepwise and math.max(0, redis.call('LLEN', K.slots .. id) - #slots) or 0
local found, noted = {}, {}
local function differs(what, repair)
  if not noted[what] then found[#found + 1] = what end
  noted[what] = true
  if repairs then repair() end
end

local states, there = {}, 0
for i, slot in ipairs(slots) do
  local exec = K.exec .. slot .. ':' .. id
  if not is_sound('hash', exec) then return {'record'} end
  states[i] = redis.call('HGET', exec, 'state')
  if states[i] then there = there + 1 end
end
if (there == 0 and held == 0) or redis.call('EXISTS', K.doc .. id) == 0 then return {'half'} end

local function same(score, wanted) return score and tonumber(score) == tonumber(wanted) end
local function listed(what, key, member, wanted) -- wanted: a score, or false if the member must be absent
  local score = redis.call('ZSCORE', key, member)
  if wanted and not same(score, wanted) then
    differs(what, function() redis.call('ZADD', key, int(num(wanted)), member) end)
  elseif not wanted and score then
    differs(what, function() redis.call('ZREM', key, member) end)
  end
end

local known, counts = {}, {}
for i, state in ipairs(STATES) do known[state], counts[i] = i, 0 end
local is_waiting = false
local rest = record[11] and string.match(record[11], '^(%l+)|%d+|')
if held > 0 then
  if record[11] and not (rest and FINAL_STATES[rest]) then
    rest = 'cancelled'
    differs('opening', function() redis.call('HSET', job, 'rest', rest .. '|' .. int(at) .. '|its record was damaged') end)
  end
  counts[known[rest or 'submitted']] = held
end
for i, slot in ipairs(slots) do
  local exec, member = K.exec .. slot .. ':' .. id, id .. ':' .. slot
  if not known[states[i]] or not string.match(redis.call('HGET', exec, 'attempt') or '', '^%d+$') then
    states[i] = known[states[i]] and FINAL_STATES[states[i]] and states[i] or 'lost'
    differs('execution', function()
      redis.call('DEL', exec)
      redis.call('HSET', exec, 'state', states[i], 'attempt', '0', 'events', '1', 'last', int(at),
        'e1', int(at) .. '|' .. states[i] .. '|' .. slot .. '|its record was damaged')
    end)
  end
  local state = states[i]
  counts[known[state]] = counts[known[state]] + 1
  local lease = redis.call('ZSCORE', K.leases, member)
  local is_due, waits = redis.call('ZSCORE', K.due, member), redis.call('ZSCORE', K.waiting .. slot, id)
  if record[6] then
    is_waiting = false
  elseif state == 'started' then
    -- a live agent renews the lease; the lease of a dead one expires
    if not lease or num(lease) == 0 or num(lease) > at + 86400000000 then
      listed('lease', K.leases, member, int(at + tonumber(ARGV[4])))
    end
  else
    listed('lease', K.leases, member, false)
  end
  local reason = redis.call('HGET', exec, 'parked')
  local is_parked = reason and state == 'submitted' and not is_due and not waits and redis.call('ZSCORE', K.parked .. reason, member)
  if reason and not is_parked then differs('waiting', function() unpark(id, slot, reason) end) end
  if state == 'submitted' and not record[6] then
    is_waiting = true
    if not is_due and not waits and not is_parked then listed('waiting', K.due, member, int(at)) end
    if is_due and (num(is_due) == 0 or num(is_due) ~= tonumber(is_due)) then listed('waiting', K.due, member, int(at)) end
    if is_due and waits then listed('waiting', K.due, member, false) end
  else
    listed('waiting', K.due, member, false)
    listed('waiting', K.waiting .. slot, id, false)
  end
end

for i, state in ipairs(STATES) do
  local held = redis.call('HGET', job, 'n.' .. state)
  if (held or '0') ~= int(counts[i]) then
    differs('counts', function()
      if counts[i] == 0 then redis.call('HDEL', job, 'n.' .. state) else redis.call('HSET', job, 'n.' .. state, counts[i]) end
    end)
  end
end
local status, created = derive_status(counts), record[2]
if not string.match(created or '', '^%d+$') or num(created) == 0 then
  created = int(at)
  differs('counts', function() redis.call('HSET', job, 'created', created) end)
end
if not string.match(record[8] or '', '^%d+$') or num(record[8]) < num(created) then
  differs('counts', function() redis.call('HSET', job, 'updated', created) end)
end
if record[1] ~= status then differs('counts', function() redis.call('HSET', job, 'status', status) end) end
for _, other in ipairs(STATUSES) do listed('index', K.index .. 'all:|' .. other, id, other == status and created) end
for _, dim in ipairs(dimensions(id)) do
  local wanted = listed_as(status)
  -- started by an agent of a version before
  if wanted == 'submitted' and same(redis.call('ZSCORE', K.index .. dim .. '|processing', id), created) then wanted = 'processing' end
  for _, other in ipairs(STATUSES) do
    listed('index', K.index .. dim .. '|' .. other, id, other == wanted and created)
  end
end
if record[4] == FANNED_OUT then
  for _, slot in ipairs(slots) do
    listed('index', broadcasts_of(slot), id, created)
    -- an agent of a version before may have moved it between the indexes that hold the status; harmless, and not cheap
    for _, other in ipairs(repairs and STATUSES or {}) do listed('index', K.index .. 'host:' .. slot .. '|' .. other, id, false) end
  end
end
if is_stepwise then
  local gate = num(record[10])
  -- the signed document says whether the first batch waits for an approval
  local is_held = #slots == 0 and string.find(redis.call('GET', K.doc .. id), '"approval"', 1, true)
  local is_open = gate > 0 or held == 0 or (is_held and redis.call('HGET', job, 'awaits'))
  local is_sane = #slots == num(record[9]) and gate >= #slots and gate <= #slots + held and is_open
  if not is_sane then
    differs('opening', function()
      local opens = is_held and 0 or record[12] and math.max(1, #slots) or #slots + held
      redis.call('HSET', job, 'opened', #slots, 'gate', opens)
      if is_held then redis.call('HSET', job, 'awaits', int(at)) end
    end)
  end
  -- the signed document states whether there are terms; without them nothing more may be opened
  if not terms_of(record[12]) and record[12] ~= 'lost' and held > 0 and string.find(redis.call('GET', K.doc .. id), '"rollout"', 1, true) then
    differs('opening', function() redis.call('HSET', job, 'rollout', 'lost') end)
  end
  local due = redis.call('ZSCORE', K.opening, id)
  if held > 0 and not rest and not FINAL[status] then
    -- the next step compares the rollout with its counts
    local is_repaired = repairs and #found > 0
    if is_repaired or not due or num(due) == 0 then
      if is_repaired then redis.call('ZADD', K.opening, int(at), id) else listed('opening', K.opening, id, int(at)) end
    end
  elseif due and not redis.call('HGET', job, 'stopped') then
    listed('opening', K.opening, id, false)
  end
end
local ended = redis.call('ZSCORE', K.finished, id)
if not FINAL[status] then
  listed('finished', K.finished, id, false)
elseif num(ended) == 0 or num(ended) > at + 86400000000 then
  listed('finished', K.finished, id, int(at))
end
if is_waiting and record[5] then
  listed('deadline', K.deadlines, id, int(num(record[5])))
elseif FINAL[status] or not record[5] then
  listed('deadline', K.deadlines, id, false)
end
if is_waiting and record[13] and not redis.call('ZSCORE', K.cancelling, id) then listed('cancel', K.cancelling, id, '0') end
if record[6] and not FINAL[status] then
  if not redis.call('ZSCORE', K.outside, id) then listed('waiting', K.outside, id, int(at)) end
else
  listed('waiting', K.outside, id, false)
end
return found
