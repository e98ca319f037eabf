-- Accepts jobs: resolves each target to agents, stores the job with its executions and publishes them, all or nothing
-- per job; a refused job does not affect the others.
-- include: clock next_time events notice index reindex batches publish audit_trail hosts schedule fire concurrency offers
-- KEYS: none
-- ARGV: 1 now, 2 window of idempotency keys in ms, 3 message template or '', 4 how many entries the audit trail keeps,
--   5 '1' if a job is refused while its entry cannot be written, then per job what JOB_ARGUMENTS names, '' for what it
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

-- Each function returns the slots, or nil and the refusal. Offline agents are waited for (patient) only if the caller
-- names an agent or sets a deadline: a broadcast without a deadline must not wait for a host that is gone permanently.
local resolve = {}

function resolve.host(job)
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
  return {job.target}
end

local function lines(text)
  local list = {}
  for line in string.gmatch(text, '[^\n]+') do list[#list + 1] = line end
  return list
end

-- Those of the hosts to which the job is restricted.
local function restricted(hosts, only)
  if only == '' then return hosts end
  local is_permitted, permitted = {}, {}
  for _, host in ipairs(lines(only)) do is_permitted[host] = true end
  for _, host in ipairs(hosts) do
    if is_permitted[host] then permitted[#permitted + 1] = host end
  end
  return permitted
end

-- The operations that an agent must support to run a job: its own, and those within its data.
local function operations_of(job)
  local operations = lines(job.inner_operations)
  operations[#operations + 1] = job.operation
  return operations
end

-- Whether agents with this profile support all of these operations.
local function supports(profile, operations)
  for _, op in ipairs(operations) do
    if redis.call('SISMEMBER', K.profile .. profile, op) == 0 then return false end
  end
  return true
end

-- The agents that take work, and those of them that support a job: {all, able, {{profile, number}...} of the able}.
-- since: the lowest time until which they must count as live.
local function takers_of(job, since)
  local operations = operations_of(job)
  local found = {all = 0, able = 0, profiles = {}}
  for _, profile in ipairs(redis.call('SMEMBERS', K.profiles)) do
    local number = redis.call('ZCOUNT', K.takers .. profile, since, '+inf')
    found.all = found.all + number
    if number > 0 and supports(profile, operations) then
      found.able = found.able + number
      found.profiles[#found.profiles + 1] = {profile, number}
    end
  end
  return found
end

-- Some of these agents, from a varying start.
local function some_of(takers)
  local hosts, each = {}, math.ceil(SAMPLE / #takers.profiles)
  for _, profile in ipairs(takers.profiles) do
    -- the newest times come last, and those of the agents that count are the newest
    local first = -profile[2] + (profile[2] > each and at % (profile[2] - each + 1) or 0)
    local last = math.min(-1, first + each - 1)
    for _, host in ipairs(redis.call('ZRANGE', K.takers .. profile[1], first, last)) do hosts[#hosts + 1] = host end
  end
  return hosts
end

-- The able agents among those that the caller keeps the job to: enough of them, from a varying start.
local function able_among(job, offline_too)
  local hosts, able = lines(job.only), {}
  for first = 1, #hosts, SAMPLE do
    local part = {}
    for i = first, math.min(first + SAMPLE - 1, #hosts) do part[#part + 1] = hosts[(at + i) % #hosts + 1] end
    for _, host in ipairs(taking(part, at, offline_too)) do
      if offers_all(host, job.operation, job.inner_operations) then able[#able + 1] = host end
    end
    if #able >= SAMPLE then break end
  end
  return able
end

local refused = {} -- by operations: that no agent is able, which is constant within one call
local function no_able_agent(job)
  local offers = K.offers .. job.operation
  for _, op in ipairs(operations_of(job)) do
    if redis.call('SCARD', K.offers .. op) == 0 and redis.call('ZCARD', K.agents) > 0 then return {'unsupported', op} end
  end
  local named = job.only == '' and redis.call('SRANDMEMBER', offers, 20) or {}
  for _, host in ipairs(lines(job.only)) do
    if #named == 20 then break end
    if offers_all(host, job.operation, job.inner_operations) then named[#named + 1] = host end
  end
  return {'no_live_agent', unpack(named)}
end

local shared = {} -- by operations and patience: whether the shared queue is usable, which is constant within one call
function resolve.any(job, patient)
  local op = job.operation
  if job.only ~= '' then
    local able = able_among(job, false)
    if patient and #able == 0 then able = able_among(job, true) end
    if #able == 0 then return nil, no_able_agent(job) end
    return {least_busy(able, at)}
  end
  local question = op .. '\n' .. job.inner_operations .. (patient and '+' or '')
  if shared[question] then return {'_any'} end
  if refused[question] then return nil, refused[question] end
  local takers = takers_of(job, '(' .. int(at))
  if patient and takers.able == 0 then takers = takers_of(job, '(0') end
  -- the shared queue is usable as long as all of its readers can run the operation
  shared[question] = takers.able > 0 and takers.able == takers.all
  if shared[question] then return {'_any'} end
  local able = {}
  if takers.able > 0 then
    able = some_of(takers)
  else
    -- never refuse for a damaged or incomplete list: look at agents that support the operation, of a large fleet at some
    local offering = {}
    for _, host in ipairs(redis.call('SRANDMEMBER', K.offers .. op, LARGE_JOB)) do
      if offers_all(host, op, job.inner_operations) then offering[#offering + 1] = host end
    end
    able = taking(offering, at, false)
    if patient and #able == 0 then able = taking(offering, at, true) end
  end
  if #able == 0 then
    refused[question] = no_able_agent(job)
    return nil, refused[question]
  end
  return {least_busy(able, at)}
end

-- Maintenance places the job once an agent has the resources that it needs.
function resolve.unplaced()
  return {'_unplaced'}
end

-- Kinds of targets whose jobs have an execution for each of several agents.
local FANS_OUT = {all = true, label = true, hosts = true, planned = true}

local function broadcast(hosts, only, patient)
  if #hosts == 0 then return nil, {'unknown_target'} end
  table.sort(hosts)
  local slots = restricted(taking(hosts, at, patient), only)
  if #slots == 0 then return nil, {'no_live_agent', unpack(hosts, 1, math.min(#hosts, 20))} end
  return slots
end

-- The target is an expression: the API has evaluated it, and lists the hosts.
function resolve.hosts(job, patient)
  local hosts = lines(job.only)
  if #hosts > LARGE_JOB then return nil, {'large'} end
  local slots, refusal = broadcast(hosts, '', patient)
  return slots, refusal, hosts
end

-- The hosts were planned: all of them, or none.
function resolve.planned(job, patient)
  local slots, refusal, hosts = resolve.hosts(job, patient)
  if not slots then return nil, refusal end
  local taken, gone = {}, {}
  for _, host in ipairs(slots) do taken[host] = true end
  for _, host in ipairs(hosts) do
    if not taken[host] then gone[#gone + 1] = host end
  end
  if #gone > 0 then return nil, {'plan_changed', unpack(gone, 1, math.min(#gone, 20))} end
  return slots
end

function resolve.all(job, patient)
  if redis.call('ZCARD', K.agents) > LARGE_JOB then return nil, {'large'} end
  return broadcast(redis.call('ZRANGE', K.agents, 0, -1), job.only, patient)
end

function resolve.label(job, patient)
  if redis.call('SCARD', K.label .. job.target) > LARGE_JOB then return nil, {'large'} end
  return broadcast(redis.call('SMEMBERS', K.label .. job.target), job.only, patient)
end

-- Hosts that another script has listed for this job.
function resolve.staged(job)
  local hosts = redis.call('LLEN', K.staged .. job.id)
  if hosts == 0 then return nil, {'no_live_agent'} end
  return {staged = hosts}
end

-- A share of the hosts ("10%"), rounded up, or a number of them.
local function amount(text, hosts)
  local share = string.match(text, '^([%d.]+)%%$')
  return share and math.max(1, math.ceil(hosts * tonumber(share) / 100 - 1e-9)) or tonumber(text)
end

-- The terms of a rollout over this number of hosts, as the other scripts read them; or nil and the refusal.
local function rollout_terms(job, hosts)
  local canary, batch, failures, rest = string.match(job.rollout, '^(%d+)|([^|]+)|([^|]+)|([^~]*)')
  canary, batch = math.min(tonumber(canary), hosts), amount(batch, hosts)
  local most = amount(failures, hosts)
  if most > hosts and job.retry_of == '' then return nil, {'misfit', 'max_failures', int(hosts)} end
  if math.ceil((hosts - canary) / batch) > MOST_BATCHES then return nil, {'misfit', 'batch', int(hosts)} end
  return table.concat({int(canary), int(batch), int(math.min(most, hosts)), rest}, '|')
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
  if status and not FINAL[status] then return {'held', holder} end
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
  remember('idempotent', job.idempotent)
  remember('key', job.idempotency_key)
  if slots.staged then
    remember('fanout', FANNED_OUT)
    redis.call('RENAME', K.staged .. id, K.slots .. id)
    redis.call('PERSIST', K.slots .. id)
    remember('opened', '0')
    remember('not_before', job.not_before)
    remember('rollout', terms or '')
    remember('rate', string.match(job.rollout, '~(.*)$') or '')
    if job.approval ~= '' then -- nothing is opened before it is approved
      remember('gate', '0')
      remember('awaits', when)
      redis.call('ZADD', K.opening, AWAITING, id)
      notice(K.job_notices, 'awaiting', num(when), id, 'job')
    else
      remember('gate', int(terms and batch_end(terms_of(terms), 0, slots.staged) or slots.staged))
      redis.call('ZADD', K.opening, when, id)
    end
  elseif FANS_OUT[job.kind] then
    remember('fanout', FANNED_OUT)
    for first = 1, #slots, 1000 do -- unpack has a limit
      redis.call('RPUSH', K.slots .. id, unpack(slots, first, math.min(first + 999, #slots)))
    end
  else
    remember('slot', slots[1])
    if slots[1] == '_any' then
      -- a claim reads the operations within its data only if there are some
      remember('shared', job.inner_operations == '' and '1' or 'inner')
    elseif slots[1] ~= '_unplaced' then
      host = slots[1]
      remember('host', host)
    end
  end
  redis.call('HSET', K.job .. id, unpack(fields))
  if job.expires_at ~= '' then redis.call('ZADD', K.deadlines, job.expires_at, id) end
  if job.idempotency_key ~= '' then
    redis.call('SET', K.idem .. job.idempotency_key, table.concat({job.digest, id, when, job.seal}, '|'), 'PX', window)
  end
  if job.alias ~= '' then redis.call('SET', K.alias .. job.alias, id) end
  if job.exclusive ~= '' then redis.call('SET', K.exclusive .. job.exclusive, id) end
  reindex(id, when, nil, 'submitted', {job.operation, job.target, job.tags, host, FANNED_OUT, job.groups, job.inner_operations})
  if FANS_OUT[job.kind] then list_under(slots, id, when) end
  announce(id, 'submitted', when, 'submitted', '_api')
  if job.fire ~= '' then note_fire(job, created) end
end

local time
local function accept(job)
  local answer = earlier(job)
  if answer then
    -- a time that comes again after the clock went back; a job beside the times was noted when it was stored
    if answer[1] == 'replayed' and job.fire ~= '' and not BESIDE[fire_of(job.fire)] then note_fire(job, at) end
    return answer
  end
  if job.fire ~= '' and not may_fire(job.fire) then return {'unscheduled'} end
  if job.expires_at ~= '' and tonumber(job.expires_at) <= at then return {'too_late'} end
  local slots, refusal = resolve[job.kind](job, job.expires_at ~= '')
  if not slots then return refusal end
  local terms, misfit
  if job.rollout ~= '' then
    terms, misfit = rollout_terms(job, slots.staged)
    if not terms then return misfit end
  end

  local keyed = key_terms(job.concurrency)
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
for first = 6, #ARGV, #JOB_ARGUMENTS do
  local job = {}
  for i, field in ipairs(JOB_ARGUMENTS) do job[field] = ARGV[first + i - 1] end
  answers[#answers + 1] = accept(job)
end
if time and #answers > 1 then redis.call('SET', K.clock, int(time)) end
return answers
