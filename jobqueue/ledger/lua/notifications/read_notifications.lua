-- Lists notification rules by name, or reads some, with their newest deliveries.
-- KEYS: none
-- ARGV: 1 how many of the newest deliveries of each, 2 most rules of a list or '', 3.. the name after which the list begins or '';
--   or the names of the rules to read
-- returns: {how many rules there are, {name, record, cursor of job_notices, cursor of notices, attempts, time of the next attempt,
--   time of the first one, error, number delivered, number of failed attempts, number of dead letters, delivery...}...}
local FIELDS = {'record', 'job_cursor', 'cursor', 'attempts', 'next', 'since', 'error', 'delivered', 'failed'}
local names = {}
if ARGV[2] ~= '' then
  local begin = ARGV[3] == '' and '-' or '(' .. ARGV[3]
  names = redis.call('ZRANGEBYLEX', K.notifications, begin, '+', 'LIMIT', 0, ARGV[2])
else
  for i = 3, #ARGV do names[#names + 1] = ARGV[i] end
end
local found = {redis.call('ZCARD', K.notifications)}
for _, name in ipairs(names) do
  -- one damaged record keeps no other rule from being delivered
  local known = is_sound('hash', K.notification .. name) and redis.call('HMGET', K.notification .. name, unpack(FIELDS)) or {}
  if known[1] then
    local one = {name}
    for i = 1, #FIELDS do one[#one + 1] = known[i] or '' end
    one[#one + 1] = is_sound('list', K.dead_letters .. name) and redis.call('LLEN', K.dead_letters .. name) or 0
    if ARGV[1] ~= '0' then
      for _, line in ipairs(redis.call('LRANGE', K.notification_log .. name, -ARGV[1], -1)) do one[#one + 1] = line end
    end
    found[#found + 1] = one
  end
end
return found
