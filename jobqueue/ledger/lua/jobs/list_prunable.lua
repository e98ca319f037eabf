-- Lists jobs that ended longer ago than the retention time; `delete_job` removes each.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 how long they are kept in microseconds, 3 how many at most
-- returns: ids
return redis.call('ZRANGEBYSCORE', K.finished, '-inf', int(clock(ARGV[1]) - tonumber(ARGV[2])), 'LIMIT', 0, ARGV[3])
