-- Gives the schedules that are due to the one API process that fires them, which holds a short lease.
-- include: clock lease
-- KEYS: none
-- ARGV: 1 now, 2 the caller, 3 length of the lease in ms (0: release it), 4 most schedules
-- returns: {} (another process fires them) | {now, when the next one is due or '', {name due...}, {name whose time was computed
--   before the clock went back...}, '' if nothing follows the ends of jobs, '1' if some have not been processed, else '0'}
if not hold_lease(K.scheduler, ARGV[2], ARGV[3]) then return {} end
local at = clock(ARGV[1])
local due = redis.call('ZRANGEBYSCORE', K.schedules_due, '-inf', int(at), 'LIMIT', 0, ARGV[4])
-- clocks of servers that take over from each other differ by a little
local ahead = redis.call('ZRANGEBYSCORE', K.schedules_planned, int(at + 5000000), '+inf', 'LIMIT', 0, ARGV[4])
local first = redis.call('ZRANGE', K.schedules_due, 0, 0, 'WITHSCORES')
local followed = redis.call('GET', K.followed)
local newest = followed and redis.call('XREVRANGE', K.job_notices, '+', '-', 'COUNT', 1)[1]
local has_endings = followed and (not newest or newest[1] ~= followed)
return {int(at), first[2] or '', due, ahead, not followed and '' or has_endings and '1' or '0'}
