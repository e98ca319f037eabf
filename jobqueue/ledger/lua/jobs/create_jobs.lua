-- Accepts jobs: resolves each target to agents, stores the job with its executions and publishes them, all or nothing
-- per job; a refused job does not affect the others.
-- include: clock next_time events notice index publish audit_trail able_agents choose_among|choose<hosts,offers,choice> resolve_many|rollout_terms|store_steps<hosts,batches,broadcast> is_beside|may_fire|note_fire<schedule,fire> key_terms|key_holder|join_key<concurrency>
-- KEYS: none
-- ARGV: 1 now, 2 window of idempotency keys in ms, 3 message template or '', 4 how many entries the audit trail keeps,
--   5 '1' if a job is refused while its entry cannot be written, then per job what JOB_RECORD names, '' for what it
--   does not have: its id, the document, kind of target (any, all, host, label; hosts: those to keep to; planned: all of
--   those, or none; unplaced: any agent, as soon as one can run it; staged: the hosts that `stage_hosts` has listed,
--   whose executions `open_slice` opens), '1' if the operation is idempotent,
--   identity of the submitter, a blank and the idempotency key, digest of the request, hostnames to
--   keep to (lines), seal of the idempotency key, its entry for the audit trail, the seal of that, the time of a schedule at which it fires (include/fire.lua), then the job's own fields (model/job_fields.py): tags as "key:value" lines, lists as
--   lines
-- returns: per job: {'created', created, {slot...}, number of its audit entry, link of that} (slots only if the caller
--     has to send the messages; number and link only if an entry was given and could be written)
--   | {'replayed', id, created, seal} | {'key_conflict', id} | {'alias_taken', id} | {'held', id} | {'unknown_target', near?}
--   | {'unsupported', operation} | {'unrecorded', why} | {'away', state of the agent} | {'too_late'}
--   | {'plan_changed', host that takes no work...}
--   | {'no_live_agent', offline or draining hostname...}
--   | {'unscheduled'} (the schedule changed, or this time was already processed)
--   | {'busy', id of a job that holds the concurrency key}
--   | {'large'} (stage the hosts first) | {'misfit', field of the rollout, number of hosts}
local at = clock(ARGV[1])
local window, template, keep, is_strict = ARGV[2], parse_template(ARGV[3]), ARGV[4], ARGV[5] == '1'

local function resolve_host(job)
  if not redis.call('ZSCORE', K.agents, job.target) then
    for _, name in ipairs({string.lower(job.target), string.upper(job.target)}) do
      if redis.call('ZSCORE', K.agents, name) then return nil, {'unknown_target', name} end
    end
    return nil, {'unknown_target'}
  end
  local barred = redis.call('SISMEMBER', K.barred, job.target) == 1
  if barred or redis.call('SISMEMBER', K.away, job.target) == 1 then
    return nil, {'away', barred and 'Revoked' or redis.call('HGET', K.agent .. job.target, 'state') or ''}
  end
  return job.target
end

-- What is constant within one call, by operations and patience: whether the shared queue is usable, and that no agent is able.
local shared, refused = {}, {}
local function resolve_any(job, patient)
  if job.only ~= '' then return choose_among(job, at, patient) end
  local question = job.operation .. '\n' .. job.inner_operations .. (patient and '+' or '')
  if shared[question] then return '_any' end
  if refused[question] then return nil, refused[question] end
  local takers = takers_of(job, '(' .. int(at))
  if patient and takers.able == 0 then takers = takers_of(job, '(0') end
  -- the shared queue is usable as long as all of its readers can run the operation
  shared[question] = takers.able > 0 and takers.able == takers.all
  if shared[question] then return '_any' end
  local host, refusal = choose(job, at, patient, takers)
  refused[question] = refusal
  return host, refusal
end

-- The slots of a job, or nil and the refusal. Offline agents are waited for (patient) only if the caller
-- names an agent or sets a deadline: a broadcast without a deadline must not wait for a host that is gone permanently.
local function resolve(job, patient)
  local slot, refusal
  if job.kind == 'any' then
    slot, refusal = resolve_any(job, patient)
  elseif job.kind == 'host' then
    slot, refusal = resolve_host(job)
  elseif job.kind == 'unplaced' then
    slot = '_unplaced' -- maintenance places the job once an agent has the resources that it needs
  else
    return resolve_many(job, at, patient)
  end
  if slot then return {slot} end
  return nil, refusal
end

-- Whether a job has its document and its first execution; an incompletely stored job does not exist.
local function is_whole(id)
  if redis.call('EXISTS', K.doc .. id) == 0 then return false end
  if redis.call('HGET', K.job .. id, 'opened') then return redis.call('EXISTS', K.slots .. id) == 1 end
  local slot = redis.call('HGET', K.job .. id, 'slot') or redis.call('LINDEX', K.slots .. id, 0)
  return slot and redis.call('EXISTS', K.exec .. slot .. ':' .. id) == 1
end

-- A job accepted earlier: under this id (the caller lost our first answer), or under this idempotency key; or a job
-- that holds a name that this job claims.
local function earlier(job)
  local created = redis.call('HGET', K.job .. job.id, 'created')
  if created and is_whole(job.id) then return {'replayed', job.id, created} end
  local first = job.idempotency_key ~= '' and redis.call('GET', K.idem .. job.idempotency_key)
  if not first and job.idempotency_key ~= '' then
    -- an older record does not name the submitter; the digest does, so a different digest may mean another principal
    local former = redis.call('GET', K.idem .. string.match(job.idempotency_key, ' (.*)$'))
    if former and string.match(former, '^%x+') == job.digest then first = former end
  end
  if first then
    local digest, id, time, seal = string.match(first, '^(%x+)|([^|]+)|(%d+)|(%x*)$')
    if not digest then return {'replayed', '', '0', ''} end -- an altered record; the caller detects it by the seal
    -- an idempotency key must not forever return a job that cannot run
    if digest ~= job.digest then return {'key_conflict', id} end
    if is_whole(id) then return {'replayed', id, time, seal} end
  end
  if job.alias ~= '' then
    local named = redis.call('GET', K.alias .. job.alias)
    -- a job's id is also one of its names
    if not named and redis.call('EXISTS', K.job .. job.alias) == 1 then named = job.alias end
    if named then return {'alias_taken', named} end
  end
  local holder = job.exclusive ~= '' and redis.call('GET', K.exclusive .. job.exclusive)
  local status = holder and redis.call('HGET', K.job .. holder, 'status')
  if status == 'submitted' or status == 'processing' then return {'held', holder} end
  return nil
end

local function store(job, slots, created, terms)
  new_job = job.id
  local id, when = job.id, int(created)
  redis.call('SET', K.doc .. id, job.document)
  local fields = {'status', 'submitted', 'created', when, 'updated', when, 'n.submitted', slots.staged or #slots, 'events', 1, 'last', when, 'e1', when .. '|submitted|_api|'}
  local host = false
  local function remember(field, value)
    if value ~= '' then
      fields[#fields + 1] = field
      fields[#fields + 1] = value
    end
  end
  for i = 1, #JOB_STORED, 2 do remember(JOB_STORED[i + 1], job[JOB_STORED[i]]) end
  -- most jobs have none of the fields that `read_job` then need not look for
  local is_plain = job.concurrency == '' and job.expires_at == '' and job.rollout == '' and job.inner_operations == ''
  if is_plain then remember('plain', '1') end
  remember('idempotent', job.idempotent)
  remember('key', job.idempotency_key)
  local is_single = job.kind == 'any' or job.kind == 'host' or job.kind == 'unplaced'
  if is_single then
    remember('slot', slots[1])
    if slots[1] == '_any' then
      -- a claim reads the operations within its data only if there are some
      remember('shared', job.inner_operations == '' and '1' or 'inner')
    elseif slots[1] ~= '_unplaced' then
      host = slots[1]
      remember('host', host)
    end
  else
    remember('fanout', FANNED_OUT)
    if slots.staged then
      for _, word in ipairs(store_steps(job, slots.staged, when, terms)) do fields[#fields + 1] = word end
    end
    for first = 1, #slots, 1000 do -- unpack has a limit
      redis.call('RPUSH', K.slots .. id, unpack(slots, first, math.min(first + 999, #slots)))
    end
  end
  redis.call('HSET', K.job .. id, unpack(fields))
  if job.expires_at ~= '' then redis.call('ZADD', K.deadlines, job.expires_at, id) end
  if job.idempotency_key ~= '' then
    redis.call('SET', K.idem .. job.idempotency_key, table.concat({job.digest, id, when, job.seal}, '|'), 'PX', window)
  end
  if job.alias ~= '' then redis.call('SET', K.alias .. job.alias, id) end
  if job.exclusive ~= '' then redis.call('SET', K.exclusive .. job.exclusive, id) end
  enter_indexes(id, when, {job.operation, job.target, job.tags, host, FANNED_OUT, job.groups, job.inner_operations})
  if not is_single then list_under(slots, id, when) end
  announce(id, 'submitted', when, 'submitted', '_api')
  if job.fire ~= '' then note_fire(job, created) end
end

local time
local function accept(job)
  local answer = earlier(job)
  if answer then
    -- a time that comes again after the clock went back; a job beside the times was noted when it was stored
    if answer[1] == 'replayed' and job.fire ~= '' and not is_beside(job.fire) then note_fire(job, at) end
    return answer
  end
  if job.fire ~= '' and not may_fire(job.fire) then return {'unscheduled'} end
  if job.expires_at ~= '' and tonumber(job.expires_at) <= at then return {'too_late'} end
  local slots, refusal = resolve(job, job.expires_at ~= '')
  if not slots then return refusal end
  local terms, misfit
  if job.rollout ~= '' then
    terms, misfit = rollout_terms(job, slots.staged)
    if not terms then return misfit end
  end

  local keyed = job.concurrency ~= '' and key_terms(job.concurrency)
  if keyed and keyed.policy == 'refuse' then
    local holder = key_holder(keyed)
    if holder then return {'busy', holder} end
  end

  local first = K.job .. job.retry_of
  local retried = job.retry_of ~= '' and redis.call('HMGET', first, 'status', 'retried_as')

  -- unique and growing, so that a page's cursor is a single number
  time = time and time + 1 or tick(at)
  local is_entered, number, link
  if is_strict then
    is_entered, number, link = entered(keep, job.entry_seal, job.entry)
    if not is_entered then return {'unrecorded', number} end
  end
  local created, when = time, int(time)
  store(job, slots, created, terms)
  if keyed and not keyed.is_each and (keyed.policy == 'refuse' or num(job.not_before) <= created) then
    join_key(keyed.key, keyed.limit, job.id, created, at, keyed.policy == 'replace')
  end
  count(K.measured, 'submitted|' .. job.operation, slots.staged or #slots)
  local is_placed = slots[1] ~= '_unplaced'
  local waits = is_placed and job.not_before ~= '' and tonumber(job.not_before) > created
  local priority = tonumber(job.priority)
  local texts = #slots > 1 and message_texts(template, job.id, '1', priority, created, #slots)
  for _, slot in ipairs(slots) do
    redis.call('HSET', K.exec .. slot .. ':' .. job.id, 'state', 'submitted', 'attempt', '0', 'last', when)
    if waits then
      redis.call('ZADD', K.due, job.not_before, job.id .. ':' .. slot)
    else
      local message = texts and table.concat(texts, slot) or message_of(template, job.id, slot, '1', priority, created)
      publish(message, job.id, slot, priority, created)
    end
  end

  if retried and retried[1] then
    local as = retried[2]
    redis.call('HSET', first, 'retried_as', as and (as .. ' ' .. job.id) or job.id)
    local event = append_event(first, created, 'retried', '_api', 'as ' .. job.id)
    announce(job.retry_of, retried[1], event, 'retried', '_api', 'as ' .. job.id)
  end
  local answer = {'created', when, (waits or template or not is_placed) and {} or slots}
  if not is_strict then -- a job is accepted even while the trail cannot be written; the caller is informed
    is_entered, number, link = entered(keep, job.entry_seal, job.entry)
  end
  if is_entered and number then answer[4], answer[5] = number, link end
  return answer
end

local answers = {}
for first = 6, #ARGV, JOB_SIZE do
  local job = JOB_RECORD
  answers[#answers + 1] = accept(job)
end
if time and #answers > 1 then redis.call('SET', K.clock, int(time)) end
return answers
