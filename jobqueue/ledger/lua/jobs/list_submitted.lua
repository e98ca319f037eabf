-- Lists jobs that have not started, by creation time.
-- KEYS: none
-- ARGV: 1 only those behind this time, 2 how many at most
-- returns: {id, creation time, ...}, the oldest first
return redis.call('ZRANGEBYSCORE', K.index .. 'all:|submitted', '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
