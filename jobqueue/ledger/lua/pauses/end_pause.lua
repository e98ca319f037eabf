-- Ends a pause. What it held back returns to its queues: see `return_parked`.
-- include: clock pauses
-- KEYS: none
-- ARGV: 1 now, 2 id of the pause
-- returns: 'done' | 'unknown'
local at, id = clock(ARGV[1]), ARGV[2]
if redis.call('HDEL', K.pauses, id) == 0 then return 'unknown' end
list_paused(redis.call('HGETALL', K.pauses))
redis.call('UNLINK', K.paused_hosts .. id)
redis.call('ZADD', K.returning, int(at), 'pause:' .. id)
return 'done'
