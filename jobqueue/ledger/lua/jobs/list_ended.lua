-- Lists jobs that ended after a time, newest first.
-- include: clock
-- KEYS: none
-- ARGV: 1 the time in microseconds, 2 how many at most, 3 now: nothing can have ended later
-- returns: {id, time, ...}
return redis.call('ZREVRANGEBYSCORE', K.finished, int(clock(ARGV[3])), '(' .. ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
