-- Takes one step of a listing by several dimensions: walks the smallest index and keeps the members of all others.
-- KEYS: none
-- ARGV: 1 lowest creation time or '-inf', 2 highest (or '(' and where the last step ended), 3 maximum number to read,
--   4 status, 5 dimension to walk, 6.. dimensions that must hold too
-- returns: {{id, creation time, ...} of the matches, where to go on or ''}
local status = ARGV[4]
local step = redis.call('ZREVRANGEBYSCORE', K.index .. ARGV[5] .. '|' .. status, ARGV[2], ARGV[1],
  'WITHSCORES', 'LIMIT', 0, ARGV[3])
local matches = {}
for i = 1, #step, 2 do
  local holds = true
  for other = 6, #ARGV do
    holds = holds and redis.call('ZSCORE', K.index .. ARGV[other] .. '|' .. status, step[i])
  end
  if holds then
    matches[#matches + 1] = step[i]
    matches[#matches + 1] = step[i + 1]
  end
end
return {matches, #step == 2 * tonumber(ARGV[3]) and '(' .. step[#step] or ''}
