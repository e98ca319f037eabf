-- Takes one step of a listing by several dimensions: walks one index and keeps the members of all others.
-- KEYS: none
-- ARGV: 1 lowest creation time, 2 highest (or '(' and where the last step ended), 3 maximum number to read,
--   4 the index to walk ("op:node.load.get|completed"), 5.. alternatives of indexes that must hold too: indexes, and ''
--   after the last of each alternative
-- returns: {{id, creation time, ...} of the matches, where to continue or '', how many were looked at}
local step = redis.call('ZREVRANGEBYSCORE', K.index .. ARGV[4], ARGV[2], ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local alternatives, keys = {}, {}
for i = 5, #ARGV do
  if ARGV[i] == '' then
    alternatives[#alternatives + 1], keys = keys, {}
  else
    keys[#keys + 1] = K.index .. ARGV[i]
  end
end
local is_match = {}
for _, others in ipairs(alternatives) do
  local left = {} -- places in `step` of those that are in all indexes so far
  for i = 1, #step, 2 do
    if not is_match[i] then left[#left + 1] = i end
  end
  for _, key in ipairs(others) do
    if #left == 0 then break end
    local ids, kept = {}, {}
    for n, i in ipairs(left) do ids[n] = step[i] end
    local scores = redis.call('ZMSCORE', key, unpack(ids)) -- one command for all of them
    for n, i in ipairs(left) do
      if scores[n] then kept[#kept + 1] = i end
    end
    left = kept
  end
  for _, i in ipairs(left) do is_match[i] = true end
end
local matches = {}
for i = 1, #step, 2 do
  if is_match[i] then
    matches[#matches + 1] = step[i]
    matches[#matches + 1] = step[i + 1]
  end
end
return {matches, #step == 2 * tonumber(ARGV[3]) and '(' .. step[#step] or '', #step / 2}
