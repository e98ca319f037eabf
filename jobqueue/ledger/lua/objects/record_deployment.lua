-- Records which object was deployed at a path of a host, or that none is deployed there any more.
-- include: clock deployment
-- KEYS: none
-- ARGV: 1 hostname, 2 path, 3 the record, JSON, or '' to forget it, 4 how many paths a host may have
-- returns: 'done' | 'full' (nothing was recorded)
local deployed = K.deployed .. ARGV[1]
need('hash', deployed, K.object_uses)
need('zset', K.deployed_hosts)
local before = redis.call('HGET', deployed, ARGV[2])
if ARGV[3] == '' then
  if before then
    redis.call('HDEL', deployed, ARGV[2])
    count_use(before, -1)
  end
  return 'done'
end
if not before and redis.call('HLEN', deployed) >= tonumber(ARGV[4]) then return 'full' end
if before then count_use(before, -1) end
redis.call('HSET', deployed, ARGV[2], ARGV[3])
count_use(ARGV[3], 1)
redis.call('ZADD', K.deployed_hosts, 0, ARGV[1])
return 'done'
