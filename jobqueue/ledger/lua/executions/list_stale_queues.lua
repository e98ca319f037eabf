-- Lists slots in which executions have waited for a while, for `reconcile`. A slot is listed once per such time span; those
-- in which no execution waits any more are dropped. Slots without waiting executions cost nothing.
-- include: clock next_time
-- KEYS: none
-- ARGV: 1 now, 2 microseconds that an execution must have waited, 3 how many slots to look at
-- returns: {{slot...}, how many were looked at}
local at = clock(ARGV[1])
at = math.max(at, ticked(at))
local stale = at - tonumber(ARGV[2])
local slots = redis.call('ZRANGEBYSCORE', K.queues, '-inf', int(stale), 'LIMIT', 0, ARGV[3])
local found = {}
for _, slot in ipairs(slots) do
  local oldest = redis.call('ZRANGE', K.waiting .. slot, 0, 0, 'WITHSCORES')
  if not oldest[1] then
    redis.call('ZREM', K.queues, slot)
  elseif num(oldest[2]) > stale then
    redis.call('ZADD', K.queues, int(num(oldest[2])), slot)
  else
    found[#found + 1] = slot
    redis.call('ZADD', K.queues, int(at), slot)
  end
end
return {found, #slots}
