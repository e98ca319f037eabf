-- Accepts jobs: resolves each one's target to agents, stores it with its executions, publishes them: all or nothing per
-- job, and no job's refusal touches another.
-- include: clock next_time events index publish audit_trail
-- KEYS: none
-- ARGV: 1 now, 2 window of idempotency keys in ms, 3 message template or '', 4 how many entries the audit trail keeps,
--   5 '1' if a job is refused while its entry cannot be written, then per job: its id, the document, operation, target,
--   kind of target (any, all, host, label), priority, not_before or '', expires_at or '', retry policy or '', '1' if the
--   operation is idempotent or '', identity of the submitter, a blank and the idempotency key, or '', digest of the
--   request, tags ("key:value" lines) or '', id of the job that it retries or '', hostnames to keep to (lines) or '',
--   alias or '', name that it holds exclusively or '', groups that list it (lines) or '', seal of its idempotency key or
--   '', its entry for the audit trail or '', the seal of that
-- returns: per job: {'created', created, {slot...}, number of its audit entry, link of that} (slots only if the caller
--     has to send the messages; no entry if there is none, or if it cannot be written)
--   | {'replayed', id, created, seal} | {'key_conflict', id} | {'alias_taken', id} | {'held', id} | {'unknown_target', near?}
--   | {'unsupported'} | {'unrecorded', why} | {'away', state of the agent} | {'too_late'}
--   | {'no_live_agent', offline or draining hostname...}
local FIELDS = {'id', 'doc', 'op', 'target', 'kind', 'priority', 'not_before', 'expires', 'retry', 'idempotent', 'key',
  'digest', 'tags', 'retry_of', 'only', 'alias', 'exclusive', 'groups', 'seal', 'entry', 'entry_seal'}
local at = clock(ARGV[1])
local window, template, keep, is_strict = ARGV[2], parse_template(ARGV[3]), ARGV[4], ARGV[5] == '1'
local away = {}
for _, host in ipairs(redis.call('SMEMBERS', K.away)) do away[host] = true end
-- agents may say of themselves that they are back, but not that they are accepted
for _, host in ipairs(redis.call('SMEMBERS', K.barred)) do away[host] = true end

local function taking(hosts, offline_too)
  local found = {}
  for first = 1, #hosts, 1000 do -- unpack has a limit
    local last = math.min(first + 999, #hosts)
    local live_until = redis.call('ZMSCORE', K.agents, unpack(hosts, first, last))
    for i = first, last do
      local time = tonumber(live_until[i - first + 1] or 0)
      if (time > at or (offline_too and time > 0)) and not away[hosts[i]] then found[#found + 1] = hosts[i] end
    end
  end
  return found
end

local function least_busy(hosts)
  local best, least
  for i = 1, math.min(#hosts, 50) do -- a sample, from a place that varies: a large fleet must not make this slow
    local host = hosts[(at + i) % #hosts + 1]
    local load = redis.call('ZCARD', K.waiting .. host) + num(redis.call('HGET', K.agent .. host, 'running'))
    if not best or load < least then best, least = host, load end
  end
  return best
end

-- Each returns the slots, or nil and the refusal. Offline agents are waited for (patient) only where the caller names
-- one or gives a deadline: a broadcast without a deadline must not hang on a host that is gone for good.
local resolve = {}

function resolve.host(job)
  if not redis.call('ZSCORE', K.agents, job.target) then
    for _, name in ipairs({string.lower(job.target), string.upper(job.target)}) do
      if redis.call('ZSCORE', K.agents, name) then return nil, {'unknown_target', name} end
    end
    return nil, {'unknown_target'}
  end
  if away[job.target] then
    local barred = redis.call('SISMEMBER', K.barred, job.target) == 1
    return nil, {'away', barred and 'Revoked' or redis.call('HGET', K.agent .. job.target, 'state') or ''}
  end
  return {job.target}
end

-- Those of the hosts that the job keeps to.
local function kept_to(only, hosts)
  if only == '' then return hosts end
  local keep, kept = {}, {}
  for host in string.gmatch(only, '[^\n]+') do keep[host] = true end
  for _, host in ipairs(hosts) do
    if keep[host] then kept[#kept + 1] = host end
  end
  return kept
end

local shared = {} -- by operation and patience: the shared queue serves; nothing changes that within one call
function resolve.any(job, patient)
  local question = job.op .. (patient and '+' or '')
  if shared[question] and job.only == '' then return {'_any'} end
  local known = redis.call('ZCARD', K.agents)
  if job.only == '' and next(away) == nil and redis.call('SCARD', K.offers .. job.op) == known then
    local live = redis.call('ZCOUNT', K.agents, patient and '-inf' or '(' .. int(at), '+inf')
    if live == 0 then return nil, {'no_live_agent'} end
    shared[question] = true
    return {'_any'}
  end
  local offering = redis.call('SMEMBERS', K.offers .. job.op)
  if #offering == 0 and known > 0 then return nil, {'unsupported'} end
  offering = kept_to(job.only, offering)
  local able = taking(offering, false)
  local wait = patient and #able == 0
  if wait then able = taking(offering, true) end
  if #able == 0 then return nil, {'no_live_agent', unpack(offering, 1, math.min(#offering, 20))} end
  if job.only ~= '' then return {least_busy(able)} end
  -- the shared queue serves as long as all that read it can run the operation
  local readers = taking(redis.call('ZRANGE', K.agents, 0, -1), wait)
  return {#able == #readers and '_any' or least_busy(able)}
end

local function broadcast(hosts, job, patient)
  if #hosts == 0 then return nil, {'unknown_target'} end
  table.sort(hosts)
  local slots = kept_to(job.only, taking(hosts, patient))
  if #slots == 0 then return nil, {'no_live_agent', unpack(hosts, 1, math.min(#hosts, 20))} end
  return slots
end

function resolve.all(job, patient)
  return broadcast(redis.call('ZRANGE', K.agents, 0, -1), job, patient)
end

function resolve.label(job, patient)
  return broadcast(redis.call('SMEMBERS', K.label .. job.target), job, patient)
end

-- Whether a job has its document and its first execution: what was stored by half is none.
local function is_whole(id)
  if redis.call('EXISTS', K.doc .. id) == 0 then return false end
  local slot = redis.call('HGET', K.job .. id, 'slot') or redis.call('LINDEX', K.slots .. id, 0)
  return slot and redis.call('EXISTS', K.exec .. slot .. ':' .. id) == 1
end

-- What was accepted before: under this id (the caller lost our first answer), or under this idempotency key; or what
-- has a name that this job wants for itself.
local function earlier(job)
  local created = redis.call('HGET', K.job .. job.id, 'created')
  if created and is_whole(job.id) then return {'replayed', job.id, created} end
  local first = job.key ~= '' and redis.call('GET', K.idem .. job.key)
  if not first and job.key ~= '' then
    -- an older record does not name the submitter; the digest does, so that another digest may be another principal's
    local former = redis.call('GET', K.idem .. string.match(job.key, ' (.*)$'))
    if former and string.match(former, '^%x+') == job.digest then first = former end
  end
  if first then
    local digest, id, time, seal = string.match(first, '^(%x+)|([^|]+)|(%d+)|(%x*)$')
    if not digest then return {'replayed', '', '0', ''} end -- no record of ours; the caller sees it by the seal
    -- a key must not answer for ever with what cannot run
    if digest ~= job.digest then return {'key_conflict', id} end
    if is_whole(id) then return {'replayed', id, time, seal} end
  end
  if job.alias ~= '' then
    local named = redis.call('GET', K.alias .. job.alias)
    -- the id of a job is a name of it, too
    if not named and redis.call('EXISTS', K.job .. job.alias) == 1 then named = job.alias end
    if named then return {'alias_taken', named} end
  end
  local holder = job.exclusive ~= '' and redis.call('GET', K.exclusive .. job.exclusive)
  local status = holder and redis.call('HGET', K.job .. holder, 'status')
  if status and not FINAL[status] then return {'held', holder} end
  return nil
end

local function store(job, slots, created)
  new_job = job.id
  local id, when = job.id, int(created)
  redis.call('SET', K.doc .. id, job.doc)
  local fields = {'status', 'submitted', 'created', when, 'updated', when, 'op', job.op, 'target', job.target,
    'prio', job.priority, 'n.submitted', #slots, 'events', 1, 'last', when, 'e1', when .. '|submitted|_api|'}
  local function remember(field, value)
    if value ~= '' then
      fields[#fields + 1] = field
      fields[#fields + 1] = value
    end
  end
  for _, field in ipairs({'expires', 'retry', 'idempotent', 'key', 'tags', 'alias', 'exclusive', 'groups'}) do
    remember(field, job[field])
  end
  if job.kind == 'all' or job.kind == 'label' then
    remember('fanout', '1')
    for first = 1, #slots, 1000 do -- unpack has a limit
      redis.call('RPUSH', K.slots .. id, unpack(slots, first, math.min(first + 999, #slots)))
    end
  else
    remember('slot', slots[1])
    if slots[1] == '_any' then remember('shared', '1') else remember('host', slots[1]) end
  end
  redis.call('HSET', K.job .. id, unpack(fields))
  if job.expires ~= '' then redis.call('ZADD', K.deadlines, job.expires, id) end
  if job.key ~= '' then
    redis.call('SET', K.idem .. job.key, table.concat({job.digest, id, when, job.seal}, '|'), 'PX', window)
  end
  if job.alias ~= '' then redis.call('SET', K.alias .. job.alias, id) end
  if job.exclusive ~= '' then redis.call('SET', K.exclusive .. job.exclusive, id) end
  reindex(id, when, nil, 'submitted')
  announce(id, 'submitted', when, 'submitted', '_api')
end

local time
local function accept(job)
  local answer = earlier(job)
  if answer then return answer end
  if job.expires ~= '' and tonumber(job.expires) <= at then return {'too_late'} end
  local slots, refusal = resolve[job.kind](job, job.expires ~= '')
  if not slots then return refusal end

  local first = K.job .. job.retry_of
  local retried = job.retry_of ~= '' and redis.call('HMGET', first, 'status', 'retried_as')

  -- unique and growing, so that a page's cursor is one number
  time = time and time + 1 or tick(at)
  local is_entered, number, link
  if is_strict then
    is_entered, number, link = entered(keep, job.entry_seal, job.entry)
    if not is_entered then return {'unrecorded', number} end
  end
  local created, when = time, int(time)
  store(job, slots, created)
  count(K.measured, 'submitted|' .. job.op, #slots)
  local waits = job.not_before ~= '' and tonumber(job.not_before) > created
  local priority = tonumber(job.priority)
  local texts = #slots > 1 and message_texts(template, job.id, '1', priority, created)
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
    local told = append_event(first, created, 'retried', '_api', 'as ' .. job.id)
    announce(job.retry_of, retried[1], told, 'retried', '_api', 'as ' .. job.id)
  end
  local answer = {'created', when, (waits or template) and {} or slots}
  if not is_strict then -- while the trail cannot be written, the job counts all the same; the caller sees it
    is_entered, number, link = entered(keep, job.entry_seal, job.entry)
  end
  if is_entered and number then answer[4], answer[5] = number, link end
  return answer
end

local answers = {}
for first = 6, #ARGV, #FIELDS do
  local job = {}
  for i, field in ipairs(FIELDS) do job[field] = ARGV[first + i - 1] end
  answers[#answers + 1] = accept(job)
end
if time and #answers > 1 then redis.call('SET', K.clock, int(time)) end
return answers
