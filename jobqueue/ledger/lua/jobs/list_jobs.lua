-- Lists one page of jobs, newest first, from indexes only: a dimension has one index per status, merged here.
-- KEYS: none
-- ARGV: 1 lowest creation time or '-inf', 2 highest or '+inf', 3 cursor (only older ones) or '', 4 offset, 5 limit,
--   6.. indexes ("op:node.load.get|completed"), none of which has a job of another
-- returns: {total, {id...}, creation time of the last of them or ''}
local low, high = ARGV[1], ARGV[2]
local offset, limit = tonumber(ARGV[4]), tonumber(ARGV[5])
local keys, total = {}, 0
for i = 6, #ARGV do
  local key = K.index .. ARGV[i]
  local count
  if low == '-inf' and high == '+inf' then
    count = redis.call('ZCARD', key)
  else
    count = redis.call('ZCOUNT', key, low, high)
  end
  if count > 0 then
    keys[#keys + 1] = key
    total = total + count
  end
end

-- a score that no valid job can have would make the search endless, and is not a valid cursor
if low == '-inf' then low = '0' end
local start = high == '+inf' and '9000000000000000' or high
if ARGV[3] ~= '' and (high == '+inf' or tonumber(ARGV[3]) <= tonumber(high)) then start = '(' .. ARGV[3] end
local function newer_than(time)
  local count = 0
  for _, key in ipairs(keys) do count = count + redis.call('ZCOUNT', key, '(' .. string.format('%.0f', time), start) end
  return count
end
if offset > 100 and #keys > 0 then
  -- skip by bisecting creation times (they are unique), so that a deep page costs no more than the first
  local oldest, newest = math.huge, 0
  for _, key in ipairs(keys) do
    oldest = math.min(oldest, tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]))
    newest = math.max(newest, tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]))
  end
  oldest, newest = math.max(oldest, 0) - 1, math.min(newest, 9000000000000000)
  while oldest < newest do -- smallest time with at most `offset` newer ones: as times are unique, exactly as many
    local middle = math.floor((oldest + newest) / 2)
    if newer_than(middle) > offset then oldest = middle + 1 else newest = middle end
  end
  offset = 0
  start = string.format('%.0f', oldest)
end

local found = {}
for _, key in ipairs(keys) do
  local part = redis.call('ZREVRANGEBYSCORE', key, start, low, 'WITHSCORES', 'LIMIT', 0, offset + limit)
  for i = 1, #part, 2 do found[#found + 1] = {part[i], tonumber(part[i + 1])} end
end
table.sort(found, function(a, b) return a[2] > b[2] end)
local ids, last = {}, ''
for i = offset + 1, math.min(offset + limit, #found) do
  ids[#ids + 1] = found[i][1]
  last = string.format('%.0f', found[i][2])
end
return {total, ids, last}
