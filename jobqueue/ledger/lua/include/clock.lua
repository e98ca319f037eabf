-- The time in microseconds: Redis' own, so that all agents share one clock; only tests pass a time.
local function clock(given)
  if given ~= '' then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- The number in a record; 0 if an altered record holds an invalid number or one out of range.
local function num(text)
  local number = text and tonumber(text)
  return number and number > -9e15 and number < 9e15 and number or 0 -- both comparisons are false for "nan"
end

-- Adds to a counter; restarts it if it was overwritten with a value that cannot be incremented.
local function count(key, field, by)
  local answer = redis.pcall('HINCRBY', key, field, by)
  if type(answer) ~= 'table' or not answer.err then return answer end
  local why = tostring(answer.err)
  if not string.find(why, 'integer') and not string.find(why, 'overflow') then
    return redis.call('HINCRBY', key, field, by) -- another fault, which must surface
  end
  redis.pcall('HSET', key, field, by) -- agents may not do this; the API and maintenance will
  return tonumber(by)
end

-- A whole number as text. Lua's tostring would format large numbers as 1.7e+15, and Redis formats a number that a command
-- gets more slowly than this.
local function int(number)
  return string.format('%d', number)
end
