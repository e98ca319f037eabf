-- Moves a schedule on without a job, and keeps the reason; or lets one of its times wait.
-- include: clock notice schedule
-- KEYS: none
-- ARGV: 1 now, 2 its name, 3 its serial number, 4 its next time as the caller has seen it, 5 its new next time or '', 6 when that
--   fires, 7 the time that waits for the last job to end or '', 8 until when it was attended then, 9 outcome of times
--   or '', 10 the first of these times, 11 the last, 12 their number, 13 the reason
-- returns: {'done'} | {'changed'} (another caller processed it)
local at = clock(ARGV[1])
local name = ARGV[2]
local key = K.schedule .. name
local known = redis.call('HMGET', key, 'serial', 'next')
if known[1] ~= ARGV[3] or (known[2] or '') ~= ARGV[4] then return {'changed'} end
if ARGV[9] ~= '' then add_result(name, ARGV[10], ARGV[11], at, ARGV[9], ARGV[12], '', ARGV[13]) end
if ARGV[7] ~= '' then redis.call('HSET', key, 'waits', ARGV[7], 'seen', ARGV[8]) end
plan(name, ARGV[5], ARGV[6], at)
return {'done'}
