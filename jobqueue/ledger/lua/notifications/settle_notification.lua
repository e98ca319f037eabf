-- Moves a rule on behind events that were delivered, given up or of no concern to it; or keeps them for another attempt.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 name of the rule, 3 its cursor of job_notices as the caller has seen it, 4 that of notices, 5 the new cursor of
--   job_notices, 6 that of notices, 7 'passed' or the outcome: 'delivered', 'failed' or 'dead', 8 attempts so far, 9 time of
--   the next attempt or '', 10 time of the first one or '', 11 the error or '', 12 a line for the list of deliveries or '',
--   13 how many are kept, 14 the sealed dead letter or '', 15 how many of them are kept
-- returns: {'done', number of dead letters that were dropped for the new one} | {'changed'} (another process did it, or the
--   rule is gone)
local name = ARGV[2]
local key = K.notification .. name
local known = redis.call('HMGET', key, 'job_cursor', 'cursor')
if known[1] ~= ARGV[3] or known[2] ~= ARGV[4] then return {'changed'} end
local dropped = 0
redis.call('HSET', key, 'job_cursor', ARGV[5], 'cursor', ARGV[6], 'attempts', ARGV[8])
for field, value in pairs({next = ARGV[9], since = ARGV[10], error = ARGV[11]}) do
  if value == '' then redis.call('HDEL', key, field) else redis.call('HSET', key, field, value) end
end
if ARGV[7] ~= 'passed' then
  if ARGV[7] == 'delivered' then count(key, 'delivered', 1) else count(key, 'failed', 1) end
  count(K.measured, 'notification|' .. ARGV[7], 1)
end
if ARGV[12] ~= '' then
  redis.call('RPUSH', K.notification_log .. name, ARGV[12])
  redis.call('LTRIM', K.notification_log .. name, 0 - ARGV[13], -1)
end
if ARGV[14] ~= '' then
  local number = redis.call('RPUSH', K.dead_letters .. name, ARGV[14])
  if number > tonumber(ARGV[15]) then
    dropped = number - tonumber(ARGV[15])
    redis.call('LTRIM', K.dead_letters .. name, 0 - ARGV[15], -1)
  end
end
return {'done', dropped}
