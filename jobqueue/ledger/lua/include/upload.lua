-- Deletes an incomplete upload and its bytes.
local function forget_upload(upload)
  local size = redis.call('HGET', K.bulk, upload)
  if size then count(K.bulk, 'all', int(0 - num(size))) end
  redis.call('HDEL', K.bulk, upload)
  redis.call('ZREM', K.uploads, upload)
  redis.call('UNLINK', K.upload .. upload)
end
