-- Lists schedules by name, or reads some.
-- KEYS: none
-- ARGV: 1 how many of the newest results of each, 2 most schedules of a list or '', 3.. the name after which the list begins
--   or ''; or the names of the schedules to read
-- returns: {how many schedules there are, {name, record, next, due, job, its status, waits, seen, result...}...}
local names = {}
if ARGV[2] ~= '' then
  local begin = ARGV[3] == '' and '-' or '(' .. ARGV[3]
  names = redis.call('ZRANGEBYLEX', K.schedules, begin, '+', 'LIMIT', 0, ARGV[2])
else
  for i = 3, #ARGV do names[#names + 1] = ARGV[i] end
end
local found = {redis.call('ZCARD', K.schedules)}
for _, name in ipairs(names) do
  -- one damaged record keeps no other schedule from firing
  local known = is_sound('hash', K.schedule .. name)
    and redis.call('HMGET', K.schedule .. name, 'record', 'next', 'due', 'job', 'waits', 'seen') or {}
  if known[1] then
    local status = known[4] and is_sound('hash', K.job .. known[4]) and redis.call('HGET', K.job .. known[4], 'status')
    if known[4] and not status and is_sound('hash', K.workflow_run .. known[4]) then
      status = redis.call('HGET', K.workflow_run .. known[4], 'status')
    end
    local one = {name, known[1], known[2] or '', known[3] or '', known[4] or '', status or '', known[5] or '', known[6] or ''}
    if ARGV[1] ~= '0' then
      for _, result in ipairs(redis.call('LRANGE', K.schedule_log .. name, -ARGV[1], -1)) do one[#one + 1] = result end
    end
    found[#found + 1] = one
  end
end
return found
