-- Takes or renews the lease `key`, which one process holds at a time, for `length` ms (0: releases it). Whether the caller
-- holds it now.
local function hold_lease(key, caller, length)
  local holder = redis.call('GET', key)
  if length == '0' then
    if holder == caller then redis.call('DEL', key) end
    return false
  end
  if holder and holder ~= caller then return false end
  redis.call('SET', key, caller, 'PX', length)
  return true
end
