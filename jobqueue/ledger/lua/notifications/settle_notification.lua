-- Moves a rule past events that were delivered, are dead letters or do not match it; or keeps them for another attempt.
-- include: clock
-- KEYS: none
-- ARGV: 1 name of the rule, 2 its cursor of job_notices as the caller has seen it, 3 that of notices, 4 the new cursor of
--   job_notices, 5 that of notices, 6 'passed' or the outcome: 'delivered', 'failed' or 'dead', 7 attempts so far, 8 time of
--   the next attempt or '', 9 time of the first one or '', 10 the error or '', 11 a line for the list of deliveries or '', 12 how
--   many are kept, 13 the sealed dead letter or '', 14 how many of them are kept
-- returns: {'done', number of dead letters that were dropped for the new one} | {'changed'} (another process did it, or the
--   rule is gone)
local name = ARGV[1]
local key = K.notification .. name
local known = redis.call('HMGET', key, 'job_cursor', 'cursor')
if known[1] ~= ARGV[2] or known[2] ~= ARGV[3] then return {'changed'} end
local dropped = 0
redis.call('HSET', key, 'job_cursor', ARGV[4], 'cursor', ARGV[5], 'attempts', ARGV[7])
for field, value in pairs({next = ARGV[8], since = ARGV[9], error = ARGV[10]}) do
  if value == '' then redis.call('HDEL', key, field) else redis.call('HSET', key, field, value) end
end
if ARGV[6] ~= 'passed' then
  if ARGV[6] == 'delivered' then count(key, 'delivered', 1) else count(key, 'failed', 1) end
  count(K.measured, 'notification|' .. ARGV[6], 1)
end
if ARGV[11] ~= '' then
  redis.call('RPUSH', K.notification_log .. name, ARGV[11])
  redis.call('LTRIM', K.notification_log .. name, 0 - ARGV[12], -1)
end
if ARGV[13] ~= '' then
  local number = redis.call('RPUSH', K.dead_letters .. name, ARGV[13])
  if number > tonumber(ARGV[14]) then
    dropped = number - tonumber(ARGV[14])
    redis.call('LTRIM', K.dead_letters .. name, 0 - ARGV[14], -1)
  end
end
return {'done', dropped}
