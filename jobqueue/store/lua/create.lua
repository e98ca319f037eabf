-- Accepts a job: resolves its target to agents, stores the job and its executions, publishes them: all or nothing.
-- include: clock tick events index publish
-- KEYS: none
-- ARGV: 1 now, 2 job id, 3 doc, 4 operation, 5 target, 6 kind of target (any, all, host, label), 7 priority,
--   8 not_before or '', 9 expires_at or '', 10 retry policy or '', 11 '1' if the operation is idempotent or '',
--   12 idempotency key or '', 13 digest of the request, 14 window of the key in ms, 15 tags ("key:value" lines) or '',
--   16 message template or '', 17 id of the job that this one retries or '', 18.. hostnames to keep to, if any
-- returns: {'created', created, {slot...}} (slots only if the caller has to send the messages) | {'replayed', id, created} | {'key_conflict', id} | {'unknown_target'}
--   | {'no_live_agent', offline or draining hostname...} | {'unsupported'} | {'away'}
local at = clock(ARGV[1])
local id, op, target, kind = ARGV[2], ARGV[4], ARGV[5], ARGV[6]
local job = K.job .. id

-- the same id again: the caller lost our first answer
local known = redis.call('HGET', job, 'created')
if known then return {'replayed', id, known} end
if ARGV[12] ~= '' then
  local earlier = redis.call('GET', K.idem .. ARGV[12])
  if earlier then
    local digest, first, created = string.match(earlier, '^(%x+)|([^|]+)|(%d+)$')
    if digest ~= ARGV[13] then return {'key_conflict', first} end
    return {'replayed', first, created}
  end
end

-- Offline agents are waited for only where the caller names one or gives a deadline: a broadcast without a deadline
-- must not hang on a host that is gone for good.
local patient = ARGV[9] ~= ''
local away = {}
for _, host in ipairs(redis.call('SMEMBERS', K.away)) do away[host] = true end
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
  for _, host in ipairs(hosts) do
    local load = redis.call('ZCARD', K.waiting .. host) + tonumber(redis.call('HGET', K.agent .. host, 'running') or 0)
    if not best or load < least then best, least = host, load end
  end
  return best
end

local slots = {}
if kind == 'host' then
  if not redis.call('ZSCORE', K.agents, target) then return {'unknown_target'} end
  if away[target] then return {'away'} end
  slots[1] = target
elseif kind == 'any' then
  local known = redis.call('ZCARD', K.agents)
  if next(away) == nil and redis.call('SCARD', K.offers .. op) == known then
    if redis.call('ZCOUNT', K.agents, patient and '-inf' or '(' .. int(at), '+inf') > 0 then slots[1] = '_any' end
  else
    local offering = redis.call('SMEMBERS', K.offers .. op)
    if #offering == 0 and known > 0 then return {'unsupported'} end
    local able = taking(offering, false)
    local wait = patient and #able == 0
    if wait then able = taking(offering, true) end
    if #able == 0 then return {'no_live_agent', unpack(offering, 1, math.min(#offering, 20))} end
    -- the shared queue serves as long as all that read it can run the operation
    local readers = taking(redis.call('ZRANGE', K.agents, 0, -1), wait)
    slots[1] = #able == #readers and '_any' or least_busy(able)
  end
else
  local hosts
  if kind == 'all' then
    hosts = redis.call('ZRANGE', K.agents, 0, -1)
  else
    hosts = redis.call('SMEMBERS', K.label .. target)
  end
  if #hosts == 0 then return {'unknown_target'} end
  table.sort(hosts)
  slots = taking(hosts, patient)
  if #slots == 0 then return {'no_live_agent', unpack(hosts, 1, math.min(#hosts, 20))} end
end
if #ARGV > 17 and (kind == 'all' or kind == 'label') then
  local keep, kept = {}, {}
  for i = 18, #ARGV do keep[ARGV[i]] = true end
  for _, host in ipairs(slots) do
    if keep[host] then kept[#kept + 1] = host end
  end
  if #kept == 0 then return {'no_live_agent', unpack(ARGV, 18, math.min(#ARGV, 37))} end
  slots = kept
end
if #slots == 0 then return {'no_live_agent'} end

local created = tick(at) -- unique and growing, so that a page's cursor is one number
local when = int(created)
local fanout = kind == 'all' or kind == 'label'

redis.call('SET', K.doc .. id, ARGV[3])
local fields = {'status', 'submitted', 'created', when, 'updated', when, 'op', op, 'target', target,
  'prio', ARGV[7], 'n.submitted', #slots, 'events', 1, 'last', when, 'e1', when .. '|submitted|_api|'}
local function remember(field, value)
  if value ~= '' then
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
end
remember('expires', ARGV[9])
remember('retry', ARGV[10])
remember('idempotent', ARGV[11])
remember('key', ARGV[12])
remember('tags', ARGV[15])
if fanout then
  remember('fanout', '1')
  for first = 1, #slots, 1000 do -- unpack has a limit
    redis.call('RPUSH', K.slots .. id, unpack(slots, first, math.min(first + 999, #slots)))
  end
else
  remember('slot', slots[1])
  if slots[1] == '_any' then
    remember('shared', '1')
  else
    remember('host', slots[1])
  end
end
redis.call('HSET', job, unpack(fields))
if ARGV[9] ~= '' then redis.call('ZADD', K.deadlines, ARGV[9], id) end
if ARGV[12] ~= '' then
  redis.call('SET', K.idem .. ARGV[12], ARGV[13] .. '|' .. id .. '|' .. when, 'PX', ARGV[14])
end
reindex(id, when, nil, 'submitted')

local waits = ARGV[8] ~= '' and tonumber(ARGV[8]) > created
local priority = tonumber(ARGV[7])
local texts = message_texts(ARGV[16], id, '1', priority, created)
for _, slot in ipairs(slots) do
  redis.call('HSET', K.exec .. slot .. ':' .. id, 'state', 'submitted', 'attempt', '0', 'last', when)
  if waits then
    redis.call('ZADD', K.due, ARGV[8], id .. ':' .. slot)
  else
    publish(texts, id, slot, priority, created)
  end
end

if ARGV[17] ~= '' and redis.call('EXISTS', K.job .. ARGV[17]) == 1 then
  local first = K.job .. ARGV[17]
  local as = redis.call('HGET', first, 'retried_as')
  redis.call('HSET', first, 'retried_as', as and (as .. ' ' .. id) or id)
  append_event(first, created, 'retried', '_api', 'as ' .. id)
end
return {'created', when, (waits or ARGV[16] ~= '') and {} or slots}
