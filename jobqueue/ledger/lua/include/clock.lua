local timed, timed_text -- the time of this call, as a number and as text

-- The time in microseconds: Redis' own, so that all agents share one clock; only tests pass a time.
local function clock(given)
  if given == '' then
    local time = redis.call('TIME')
    given = time[1] .. string.sub('00000' .. time[2], -6)
  end
  timed, timed_text = tonumber(given), given
  return timed
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
-- gets more slowly than this. Formatting takes as long as half a command, hence the two short cuts.
local function int(number)
  if number == timed then return timed_text end
  if number >= 0 and number < 10 then return string.sub('0123456789', number + 1, number + 1) end
  return string.format('%d', number)
end

-- The time of this call as text, or that of the record if it is later: the clock may have gone back.
local function later(at, last)
  local now = int(at)
  if not last or (#last == #now and last <= now) then return now end
  return int(math.max(at, num(last)))
end

-- A time in a record as Redis takes a score; '0' if an altered record holds an invalid one.
local function score(time)
  return time and #time < 17 and string.find(time, '^%d+$') and time or int(num(time))
end
