-- Lists jobs whose next executions may be opened.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 how many at most
-- returns: ids
return redis.call('ZRANGEBYSCORE', K.opening, '-inf', int(clock(ARGV[1])), 'LIMIT', 0, ARGV[2])
