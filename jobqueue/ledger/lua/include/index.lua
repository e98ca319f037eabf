-- The indexes of a job: "dimension:value" strings. A broadcast is listed under each of its hosts.
local function dimensions(id)
  local job = redis.call('HMGET', K.job .. id, 'op', 'target', 'tags', 'host', 'fanout', 'groups')
  local dims = {'all:', 'op:' .. (job[1] or '?'), 'target:' .. (job[2] or '?')}
  for tag in string.gmatch(job[3] or '', '[^\n]+') do
    dims[#dims + 1] = 'tag:' .. tag
  end
  -- unlike tags, groups are set only by the service
  for group in string.gmatch(job[6] or '', '[^\n]+') do
    dims[#dims + 1] = 'group:' .. group
  end
  if job[5] then
    for _, host in ipairs(redis.call('LRANGE', K.slots .. id, 0, -1)) do
      dims[#dims + 1] = 'host:' .. host
    end
  elseif job[4] then
    dims[#dims + 1] = 'host:' .. job[4]
  end
  return dims
end

-- Moves the job from the indexes of one status to those of another; nil for either: the job enters or leaves.
local function reindex(id, created, from, to)
  for _, dim in ipairs(dimensions(id)) do
    if from then redis.call('ZREM', K.index .. dim .. '|' .. from, id) end
    if to then redis.call('ZADD', K.index .. dim .. '|' .. to, int(num(created)), id) end
  end
end
