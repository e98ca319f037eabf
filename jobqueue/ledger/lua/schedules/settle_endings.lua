-- Moves the schedules that follow jobs past events that were processed; removes these if no notification rule needs them.
-- include: remove_passed
-- KEYS: none
-- ARGV: 1 the cursor as the caller has seen it, 2 the new cursor
-- returns: 1 | 0 (another process did it, or no schedule follows jobs any more)
if redis.call('GET', K.followed) ~= ARGV[1] then return 0 end
redis.call('SET', K.followed, ARGV[2])
if redis.call('ZCARD', K.notifications) == 0 then remove_passed(K.job_notices, ARGV[2]) end
return 1
