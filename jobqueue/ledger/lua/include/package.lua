-- A package as returned to callers: size, sha256, time of storing, time until which it is kept, upload, seal; or {} if
-- the name is unknown.
local function package_record(name)
  local record = redis.call('HMGET', K.package .. name, 'size', 'sha256', 'stored', 'upload', 'seal')
  if not record[1] then return {} end
  return {record[1], record[2], record[3], redis.call('ZSCORE', K.packages, name), record[4], record[5]}
end
