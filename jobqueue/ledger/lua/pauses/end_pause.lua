-- Ends a pause. The executions that it held back return to their queues: see `return_parked`.
-- include: clock pauses audit_trail made_before
-- KEYS: none
-- ARGV: 1 now, 2 id of the pause, 3 how many entries the audit trail keeps, 4 seal of the entry for it,
--   5 that entry or ''
-- returns: {'done', number and link of the entry} | {'unknown'}
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[4], ARGV[5])
if repeated then return repeated end
local at, id = clock(ARGV[1]), ARGV[2]
if redis.call('HEXISTS', K.pauses, id) == 0 then return {'unknown'} end
local is_entered, number, link = entered(ARGV[3], ARGV[4], ARGV[5])
if not is_entered then return {'unrecorded', number} end
redis.call('HDEL', K.pauses, id)
list_paused(redis.call('HGETALL', K.pauses))
redis.call('UNLINK', K.paused_hosts .. id)
if is_sound('hash', K.paced) then redis.call('HDEL', K.paced, id) else redis.call('DEL', K.paced) end
redis.call('ZADD', K.returning, int(at), 'pause:' .. id)
return {'done', number, link}
