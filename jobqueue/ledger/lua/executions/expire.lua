-- Ends executions that were not started before their deadline. Those of a broadcast end in slices: the job stays among the
-- deadlines until all have been looked at; meanwhile `claim` starts none of them.
-- include: clock events notice status index batches rollout concurrency settle end_held parking end_waiting slots
-- KEYS: none
-- ARGV: 1 now, 2 how many executions to look at
-- returns: {number of executions that expired, '1' if there may be more, or ''}
local at, room = clock(ARGV[1]), tonumber(ARGV[2])
local expired = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.deadlines, '-inf', int(at), 'LIMIT', 0, ARGV[2])) do
  if room <= 0 then return {expired, '1'} end
  local job = K.job .. id
  local is_whole = is_sound('hash', job) and is_sound('list', K.slots .. id)
  local record = is_whole and redis.call('HMGET', job, 'slot', 'fanout', 'expiring', 'opened') or {}
  local first, most = num(record[3]), room
  local slots = recorded_slice(id, record[1], record[2], record[4], first, most)
  room = room - math.max(1, #slots)
  local waiting, records = waiting_among(id, slots, true)
  if record[4] then end_held(id, at, 'expired', 'not started before its deadline') end
  local status = end_waiting(id, waiting, records, at, 'expired', 'not started before its deadline')
  expired = expired + #waiting
  if record[2] and #slots == most and not FINAL[status] then
    -- a retry that waits again after its slice begins the next round: see `release`
    redis.call('HSET', job, 'expiring', int(first + #slots))
  else
    redis.call('ZREM', K.deadlines, id)
    if record[3] then redis.call('HDEL', job, 'expiring') end
  end
end
return {expired, room <= 0 and '1' or ''}
