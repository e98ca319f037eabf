-- Chooses an agent for a job that any agent may run, but that not all agents can run. Needs: hosts, offers, able_agents.

-- Some of these agents, from a varying start.
local function some_of(takers, at)
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
local function able_among(job, at, offline_too)
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

-- Why no agent is able.
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

-- The least busy of those that the caller keeps the job to; or nil and the refusal.
local function choose_among(job, at, patient)
  local able = able_among(job, at, false)
  if patient and #able == 0 then able = able_among(job, at, true) end
  if #able == 0 then return nil, no_able_agent(job) end
  return least_busy(able, at)
end

-- The least busy of some able agents; or nil and the refusal. takers: see `takers_of`.
local function choose(job, at, patient, takers)
  local able = {}
  if takers.able > 0 then
    able = some_of(takers, at)
  else
    -- never refuse for a damaged or incomplete list: look at agents that support the operation, of a large fleet at some
    local offering = {}
    for _, host in ipairs(redis.call('SRANDMEMBER', K.offers .. job.operation, LARGE_JOB)) do
      if offers_all(host, job.operation, job.inner_operations) then offering[#offering + 1] = host end
    end
    able = taking(offering, at, false)
    if patient and #able == 0 then able = taking(offering, at, true) end
  end
  if #able == 0 then return nil, no_able_agent(job) end
  return least_busy(able, at)
end
