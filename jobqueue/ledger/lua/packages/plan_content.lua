-- Announces an upload to the bucket: unless it is committed in time, what there is of it is deleted.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 name of the content, 3 how long the upload may take in microseconds
-- returns: 1
redis.call('ZADD', K.bucket_removals, int(clock(ARGV[1]) + tonumber(ARGV[3])), ARGV[2])
return 1
