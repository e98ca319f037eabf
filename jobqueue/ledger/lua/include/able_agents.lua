-- The agents that take work and support a job. Needs: clock.
local function lines(text)
  local list = {}
  for line in string.gmatch(text, '[^\n]+') do list[#list + 1] = line end
  return list
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
