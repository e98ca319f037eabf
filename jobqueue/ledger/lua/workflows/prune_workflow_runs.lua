-- Removes runs of workflows that ended longer ago than they are kept.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 how long they are kept, in microseconds, 3 how many at most
-- returns: how many were removed
local before = int(clock(ARGV[1]) - tonumber(ARGV[2]))
local ids = redis.call('ZRANGEBYSCORE', K.workflow_runs_ended, '-inf', before, 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do
  local key = K.workflow_run .. id
  local workflow = is_sound('hash', key) and redis.call('HGET', key, 'workflow') or ''
  for _, list in ipairs({'', workflow}) do redis.call('ZREM', K.workflow_runs .. list, id) end
  redis.call('ZREM', K.workflow_runs_ended, id)
  redis.call('DEL', key)
end
return #ids
