-- Removes dangling members from a part of a sorted set of jobs or executions.
-- KEYS: none
-- ARGV: 1 the key, 2 cursor, 3 'job' or 'execution': what its members name, 4 slot of a list of waiting jobs or '',
--   5 '1' to remove or ''
-- returns: {next cursor, member, ...} of what leads nowhere
local answer = redis.call('ZSCAN', ARGV[1], ARGV[2], 'COUNT', 200)
local found = {answer[1]}
for i = 1, #answer[2], 2 do
  local member = answer[2][i]
  local id, slot = string.sub(member, 1, 36), string.sub(member, 38)
  if ARGV[3] == 'job' then id, slot = member, ARGV[4] end
  local key = slot == '' and K.job .. id or K.exec .. slot .. ':' .. id
  local is_dangling = redis.call('EXISTS', key) == 0 or redis.call('EXISTS', K.job .. id) == 0
  if is_dangling and not redis.call('ZSCORE', K.removals, id) then -- or `remove_executions` has not come to it yet
    found[#found + 1] = member
    if ARGV[5] == '1' then redis.call('ZREM', ARGV[1], member) end
  end
end
return found
