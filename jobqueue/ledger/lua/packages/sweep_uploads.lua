-- Removes packages that were unused for the retention time, and abandoned uploads.
-- include: clock upload
-- KEYS: none
-- ARGV: 1 now, 2 how many of each at most
-- returns: number of packages and uploads that were removed
local at = int(clock(ARGV[1]))
local packages = redis.call('ZRANGEBYSCORE', K.packages, '-inf', at, 'LIMIT', 0, ARGV[2])
for _, name in ipairs(packages) do
  local record = redis.call('HMGET', K.package .. name, 'size', 'upload')
  -- an altered record must not prevent the removal of the others
  count(K.bulk, 'all', int(0 - num(record[1])))
  if record[2] then redis.call('UNLINK', K.upload .. record[2]) end
  redis.call('DEL', K.package .. name)
  redis.call('ZREM', K.packages, name)
end
local uploads = redis.call('ZRANGEBYSCORE', K.uploads, '-inf', at, 'LIMIT', 0, ARGV[2])
for _, upload in ipairs(uploads) do forget_upload(upload) end
return #packages + #uploads
