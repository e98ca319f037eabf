-- Turns a complete upload into the named package. An existing package stays, and the upload is discarded.
-- include: clock upload package
-- KEYS: none
-- ARGV: 1 now, 2 upload, 3 name, 4 size in bytes, 5 sha256, 6 how long it is kept in microseconds, 7 seal,
--   8 the upload of a package whose record was altered, and which this one replaces, or ''
-- returns: the package that has this name now: size, sha256, time of storing, time until which it is kept, upload, seal
--   | {} if the upload is gone
local upload, name = ARGV[2], ARGV[3]
local at = clock(ARGV[1])
local known = redis.call('HGET', K.package .. name, 'upload')
if known and known == ARGV[8] then
  -- the record cannot be trusted, least of all its size
  local size = 0
  for _, piece in ipairs(redis.call('HKEYS', K.upload .. known)) do
    size = size + redis.call('HSTRLEN', K.upload .. known, piece)
  end
  count(K.bulk, 'all', -size)
  redis.call('UNLINK', K.upload .. known)
  redis.call('DEL', K.package .. name)
  known = false
end
if not known then
  if redis.call('HGET', K.bulk, upload) ~= ARGV[4] or redis.call('PERSIST', K.upload .. upload) == 0 then
    forget_upload(upload)
    return {}
  end
  redis.call('HDEL', K.bulk, upload)
  redis.call('ZREM', K.uploads, upload)
  redis.call('HSET', K.package .. name, 'size', ARGV[4], 'sha256', ARGV[5], 'stored', int(at), 'upload', upload,
    'seal', ARGV[7])
elseif known ~= upload then
  forget_upload(upload)
end
local kept = int(at + tonumber(ARGV[6]))
redis.call('HSET', K.package .. name, 'kept', kept)
redis.call('ZADD', K.packages, kept, name)
return package_record(name)
