-- The indexes of a job: "dimension:value|status" strings.
--
-- 'all:' has an index for each status. Any other dimension has one for each final status, and one for all jobs that have
-- not ended, named like the first of their statuses: a start then moves a job in one dimension only. Versions before had
-- one for each status here too: what they moved to 'processing' stays there until the job ends.
--
-- A broadcast (field `fanout` = FANNED_OUT) is listed by host in indexes of their own, 'broadcast:HOST|', which do not
-- hold the status: a change of status then costs the same for any number of hosts. An entry is written when the
-- execution of the host is opened, and removed with the job. The broadcasts of versions before (`fanout` = 1) are in
-- one index per host and status.

-- The status in the name of the index that holds jobs of a status, in any dimension but 'all:'.
local function listed_as(status) return status == 'processing' and 'submitted' or status end

-- The dimensions of a job, but for 'all:'. job: its {op, target, tags, host, fanout, groups, ops} if they have been read, or nil.
local function dimensions(id, job)
  local op, target, tags, host, fanout, groups, ops = unpack(job or redis.call('HMGET', K.job .. id, 'op', 'target',
    'tags', 'host', 'fanout', 'groups', 'ops'))
  local dims = {'op:' .. (op or '?'), 'target:' .. (target or '?')}
  if tags then
    for tag in string.gmatch(tags, '[^\n]+') do dims[#dims + 1] = 'tag:' .. tag end
  end
  if groups then -- unlike tags, they are set only by the service
    for group in string.gmatch(groups, '[^\n]+') do dims[#dims + 1] = 'group:' .. group end
  end
  if ops then -- the types of its steps, which no other job has as its own
    for op_of_step in string.gmatch(ops, '[^\n]+') do dims[#dims + 1] = 'step:' .. op_of_step end
  end
  if fanout and fanout ~= FANNED_OUT then
    for _, name in ipairs(redis.call('LRANGE', K.slots .. id, 0, -1)) do dims[#dims + 1] = 'host:' .. name end
  elseif host then
    dims[#dims + 1] = 'host:' .. host
  end
  return dims
end

-- Takes the job out of the indexes of one dimension.
local function unlist(id, dim, status)
  local listed = listed_as(status)
  if redis.call('ZREM', K.index .. dim .. '|' .. listed, id) == 0 and listed == 'submitted' then
    redis.call('ZREM', K.index .. dim .. '|processing', id)
  end
end

-- Moves the job from the indexes of its dimensions, but for 'all:', to those of another status. job: see `dimensions`.
local function relist(id, time, from, to, job)
  local listed = '|' .. listed_as(to)
  for _, dim in ipairs(dimensions(id, job)) do
    unlist(id, dim, from)
    redis.call('ZADD', K.index .. dim .. listed, time, id)
  end
end

-- Takes a job out of all indexes of this status.
local function leave_indexes(id, status)
  redis.call('ZREM', K.index .. 'all:|' .. status, id)
  for _, dim in ipairs(dimensions(id)) do unlist(id, dim, status) end
end

-- Lists a new job, which is submitted.
local function enter_indexes(id, created, job)
  redis.call('ZADD', K.index .. 'all:|submitted', created, id)
  for _, dim in ipairs(dimensions(id, job)) do redis.call('ZADD', K.index .. dim .. '|submitted', created, id) end
end

-- Moves the job from the index of one host, if any, to that of another.
local function change_host(id, created, status, from, to)
  if from then unlist(id, 'host:' .. from, status) end
  redis.call('ZADD', K.index .. 'host:' .. to .. '|' .. listed_as(status), score(created), id)
end

-- The index that lists a host's broadcasts.
local function broadcasts_of(host) return K.index .. 'broadcast:' .. host .. '|' end

-- Lists a broadcast under each of these hosts, whose executions are opened.
local function list_under(hosts, id, created)
  local time = score(created)
  for _, host in ipairs(hosts) do redis.call('ZADD', broadcasts_of(host), time, id) end
end
