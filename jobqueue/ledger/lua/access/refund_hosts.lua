-- Takes back the hosts of a job that was refused after they had been counted against what a principal may reach.
-- include: clock
-- KEYS: none
-- ARGV: 1 digest of the principal and the grant, 2 the minute in which they were counted, 3 number of hosts
-- returns: how many hosts this minute counts now
local key = K.spent .. ARGV[1]
local left = num(redis.call('HGET', key, ARGV[2])) - num(ARGV[3])
if left > 0 then redis.call('HSET', key, ARGV[2], int(left)) else redis.call('HDEL', key, ARGV[2]) end
return math.max(0, left)
