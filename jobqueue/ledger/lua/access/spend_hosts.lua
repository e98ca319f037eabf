-- Counts the hosts of a job against what a principal may reach within an hour by one grant.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 digest of the principal and the grant, 3 number of hosts, 4 the most within an hour
-- returns: the minute in which they were counted; 0 if they would exceed the limit (nothing is counted)
local minute = math.floor(clock(ARGV[1]) / 60000000)
local key, spent = K.spent .. ARGV[2], 0
local counts = redis.call('HGETALL', key) -- one for each minute of the last hour
for i = 1, #counts, 2 do
  if tonumber(counts[i]) < minute - 60 then
    redis.call('HDEL', key, counts[i])
  else
    spent = spent + tonumber(counts[i + 1])
  end
end
if spent + tonumber(ARGV[3]) > tonumber(ARGV[4]) then return 0 end
redis.call('HINCRBY', key, int(minute), ARGV[3])
redis.call('EXPIRE', key, 3720)
return minute
