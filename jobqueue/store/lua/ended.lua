-- Jobs that ended after a time, the newest first.
-- KEYS: none
-- ARGV: 1 the time in microseconds, 2 how many at most
-- returns: {id, time, ...}
return redis.call('ZREVRANGEBYSCORE', K.finished, '+inf', '(' .. ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
