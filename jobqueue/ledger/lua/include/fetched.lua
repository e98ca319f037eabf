-- Deletes what a host has sent for a job, and releases the space that it had reserved.
local function forget_fetched(host, id)
  local name = host .. ':' .. id
  local size = redis.call('HGET', K.fetched_bytes, name)
  if size then
    count(K.fetched_bytes, 'all', int(0 - num(size)))
    redis.call('HDEL', K.fetched_bytes, name)
  end
  redis.call('DEL', K.fetched .. name)
end
