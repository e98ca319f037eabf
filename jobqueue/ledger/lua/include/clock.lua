-- The time in microseconds: Redis' own, so that all agents share one clock; given only by tests.
local function clock(given)
  if given ~= '' then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- The number that a record holds; 0 where somebody else has left what is none, or what no number of ours can be.
local function num(text)
  local number = tonumber(text or 0) or 0
  return number == number and math.abs(number) < 9e15 and number or 0
end

-- Adds to a counter, which begins anew where somebody else has left what cannot be counted on.
local function count(key, field, by)
  local answer = redis.pcall('HINCRBY', key, field, by)
  if type(answer) ~= 'table' or not answer.err then return answer end
  local why = tostring(answer.err)
  if not string.find(why, 'integer') and not string.find(why, 'overflow') then
    return redis.call('HINCRBY', key, field, by) -- something else is wrong, and must show
  end
  redis.pcall('HSET', key, field, by) -- agents may not, and others will
  return tonumber(by)
end

-- Lua's tostring would write large numbers as 1.7e+15.
local function int(number)
  return string.format('%.0f', number)
end
