-- The time in microseconds: Redis' own, so that all agents share one clock; given only by tests.
local function clock(given)
  if given ~= '' then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Lua's tostring would write large numbers as 1.7e+15.
local function int(number)
  return string.format('%.0f', number)
end
