-- Turns content that is complete in the bucket into a package.
-- include: clock package
-- KEYS: none
-- ARGV: 1 now, 2 name, 3 size in bytes, 4 sha256, 5 how long it is kept in microseconds, 6 seal
-- returns: the package: size, sha256, time of storing, time until which it is kept, upload, seal
--   | {} if the upload took too long, and is being deleted
local at, name = clock(ARGV[1]), ARGV[2]
if redis.call('HGET', K.package .. name, 'seal') == ARGV[6] then return package_record(name) end -- repeated
need('zset', K.packages, K.bucket_removals)
local due = redis.call('ZSCORE', K.bucket_removals, name)
if not due or tonumber(due) <= at then return {} end
redis.call('ZREM', K.bucket_removals, name)
local kept = int(at + tonumber(ARGV[5]))
redis.call('HSET', K.package .. name, 'size', ARGV[3], 'sha256', ARGV[4], 'stored', int(at), 'upload', 'bucket',
  'seal', ARGV[6], 'kept', kept)
redis.call('ZADD', K.packages, kept, name)
return package_record(name)
