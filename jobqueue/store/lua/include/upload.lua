-- Forgets an upload that is not complete, and its bytes.
local function forget_upload(upload)
  local size = redis.call('HGET', K.bulk, upload)
  if size then redis.call('HINCRBY', K.bulk, 'all', -tonumber(size)) end
  redis.call('HDEL', K.bulk, upload)
  redis.call('ZREM', K.uploads, upload)
  redis.call('UNLINK', K.upload .. upload)
end
