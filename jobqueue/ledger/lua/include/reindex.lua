-- Moves the job from the indexes of one status to those of another; nil for either: the job enters or leaves.
-- job: see `dimensions`. Needs: clock, index.
local function reindex(id, created, from, to, job)
  local time = score(created)
  if from then redis.call('ZREM', K.index .. 'all:|' .. from, id) end
  if to then redis.call('ZADD', K.index .. 'all:|' .. to, time, id) end
  local is_open, was_open = to == 'submitted' or to == 'processing', from == 'submitted' or from == 'processing'
  if not (is_open and was_open) and from ~= to then relist(id, time, from, to, job) end
end
