-- Removes packages that were unused for the retention time, and abandoned uploads. Agents may write the list of times,
-- so a time there counts only from the one in the package's record on, and at most for the retention time. Of content in
-- the bucket, the API deletes the bytes later.
-- include: clock upload
-- KEYS: none
-- ARGV: 1 now, 2 how many of each at most, 3 the retention time in microseconds
-- returns: number of packages and uploads that were removed
local at = clock(ARGV[1])
local longest = at + tonumber(ARGV[3])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', K.packages, '(' .. int(longest), '+inf', 'LIMIT', 0, ARGV[2])) do
  redis.call('ZADD', K.packages, int(longest), name)
end
local removed = 0
for _, name in ipairs(redis.call('ZRANGEBYSCORE', K.packages, '-inf', int(at), 'LIMIT', 0, ARGV[2])) do
  local record = redis.call('HMGET', K.package .. name, 'size', 'upload', 'kept', 'stored')
  local kept = tonumber(record[3]) or num(record[4]) + tonumber(ARGV[3])
  if record[1] and kept > at then
    redis.call('ZADD', K.packages, int(math.min(kept, longest)), name)
  else
    -- an altered record must not prevent the removal of the others
    if record[2] == 'bucket' then
      redis.call('ZADD', K.bucket_removals, int(at), name)
    else
      count(K.bulk, 'all', int(0 - num(record[1])))
      if record[2] then redis.call('UNLINK', K.upload .. record[2]) end
    end
    redis.call('DEL', K.package .. name)
    redis.call('ZREM', K.packages, name)
    removed = removed + 1
  end
end
local uploads = redis.call('ZRANGEBYSCORE', K.uploads, '-inf', int(at), 'LIMIT', 0, ARGV[2])
for _, upload in ipairs(uploads) do forget_upload(upload) end
return removed + #uploads
