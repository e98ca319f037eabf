-- Lists content that is to be deleted from the bucket now.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 how many at most
-- returns: the names
return redis.call('ZRANGEBYSCORE', K.bucket_removals, '-inf', int(clock(ARGV[1])), 'LIMIT', 0, ARGV[2])
