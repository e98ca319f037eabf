-- Lists jobs that have not started, by creation time, or those that wait in one slot, by the time since which they wait.
-- KEYS: none
-- ARGV: 1 only jobs after this time, 2 how many at most, 3 the slot or ''
-- returns: {id, time, ...}, oldest first
local key = ARGV[3] == '' and K.index .. 'all:|submitted' or K.waiting .. ARGV[3]
return redis.call('ZRANGEBYSCORE', key, '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
