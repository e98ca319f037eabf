-- The hosts of jobs for several of them, and what those have that are opened in steps. Needs: clock, notice, hosts, batches,
-- able_agents.

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

local resolve = {} -- by the kind of target: returns the slots, or nil and the refusal

local function broadcast(hosts, only, at, patient)
  if #hosts == 0 then return nil, {'unknown_target'} end
  table.sort(hosts)
  local slots = restricted(taking(hosts, at, patient), only)
  if #slots == 0 then return nil, {'no_live_agent', unpack(hosts, 1, math.min(#hosts, 20))} end
  return slots
end

-- The target is an expression: the API has evaluated it, and lists the hosts.
function resolve.hosts(job, at, patient)
  local hosts = lines(job.only)
  if #hosts > LARGE_JOB then return nil, {'large'} end
  local slots, refusal = broadcast(hosts, '', at, patient)
  return slots, refusal, hosts
end

-- The hosts were planned: all of them, or none.
function resolve.planned(job, at, patient)
  local slots, refusal, hosts = resolve.hosts(job, at, patient)
  if not slots then return nil, refusal end
  local taken, gone = {}, {}
  for _, host in ipairs(slots) do taken[host] = true end
  for _, host in ipairs(hosts) do
    if not taken[host] then gone[#gone + 1] = host end
  end
  if #gone > 0 then return nil, {'plan_changed', unpack(gone, 1, math.min(#gone, 20))} end
  return slots
end

function resolve.all(job, at, patient)
  if redis.call('ZCARD', K.agents) > LARGE_JOB then return nil, {'large'} end
  return broadcast(redis.call('ZRANGE', K.agents, 0, -1), job.only, at, patient)
end

function resolve.label(job, at, patient)
  if redis.call('SCARD', K.label .. job.target) > LARGE_JOB then return nil, {'large'} end
  return broadcast(redis.call('SMEMBERS', K.label .. job.target), job.only, at, patient)
end

-- Hosts that another script has listed for this job.
function resolve.staged(job)
  local hosts = redis.call('LLEN', K.staged .. job.id)
  if hosts == 0 then return nil, {'no_live_agent'} end
  return {staged = hosts}
end

local function resolve_many(job, at, patient)
  return resolve[job.kind](job, at, patient)
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

-- What a job has in addition that is opened in steps: stores its list of hosts and when to open the first of them. Returns
-- the fields of its hash, with their values.
local function store_steps(job, hosts, when, terms)
  local id = job.id
  redis.call('RENAME', K.staged .. id, K.slots .. id)
  redis.call('PERSIST', K.slots .. id)
  local fields = {'opened', '0'}
  local function remember(field, value)
    if value ~= '' then fields[#fields + 1], fields[#fields + 2] = field, value end
  end
  remember('not_before', job.not_before)
  remember('rollout', terms or '')
  remember('rate', string.match(job.rollout, '~(.*)$') or '')
  if job.approval ~= '' then -- nothing is opened before it is approved
    remember('gate', '0')
    remember('awaits', when)
    redis.call('ZADD', K.opening, AWAITING, id)
    notice(K.job_notices, 'awaiting', num(when), id, 'job')
  else
    remember('gate', int(terms and batch_end(terms_of(terms), 0, hosts) or hosts))
    redis.call('ZADD', K.opening, when, id)
  end
  return fields
end
