-- The indexes of a job that hold its status: "dimension:value" strings.
--
-- A broadcast (field `fanout` = FANNED_OUT) is listed by host in indexes of their own, 'broadcast:HOST|', which do not
-- hold the status: a change of status then costs the same for any number of hosts. An entry is written when the
-- execution of the host is opened, and removed with the job. The broadcasts of versions before (`fanout` = 1) are in
-- one index per host and status.
local FANNED_OUT = '2'

-- job: the fields read below, if the caller has read them.
local function dimensions(id, job)
  job = job or redis.call('HMGET', K.job .. id, 'op', 'target', 'tags', 'host', 'fanout', 'groups')
  local dims = {'all:', 'op:' .. (job[1] or '?'), 'target:' .. (job[2] or '?')}
  for tag in string.gmatch(job[3] or '', '[^\n]+') do
    dims[#dims + 1] = 'tag:' .. tag
  end
  -- unlike tags, groups are set only by the service
  for group in string.gmatch(job[6] or '', '[^\n]+') do
    dims[#dims + 1] = 'group:' .. group
  end
  if job[5] and job[5] ~= FANNED_OUT then
    for _, host in ipairs(redis.call('LRANGE', K.slots .. id, 0, -1)) do
      dims[#dims + 1] = 'host:' .. host
    end
  elseif job[4] then
    dims[#dims + 1] = 'host:' .. job[4]
  end
  return dims
end

-- Moves the job from the indexes of one status to those of another; nil for either: the job enters or leaves.
-- job: see `dimensions`.
local function reindex(id, created, from, to, job)
  local time = int(num(created))
  for _, dim in ipairs(dimensions(id, job)) do
    if from then redis.call('ZREM', K.index .. dim .. '|' .. from, id) end
    if to then redis.call('ZADD', K.index .. dim .. '|' .. to, time, id) end
  end
end

-- The index that lists a host's broadcasts.
local function broadcasts_of(host) return K.index .. 'broadcast:' .. host .. '|' end

-- Lists a broadcast under each of these hosts, whose executions are opened.
local function list_under(hosts, id, created)
  for _, host in ipairs(hosts) do redis.call('ZADD', broadcasts_of(host), int(num(created)), id) end
end
