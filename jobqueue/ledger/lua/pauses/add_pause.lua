-- Pauses an operation, a tag, hosts or everything: nothing new starts there.
-- include: pauses
-- KEYS: none
-- ARGV: 1 id of the pause, 2 its record (kind|until|length|value, then JSON), 3 how many pauses there may be, then the
--   hosts if it is one of hosts
-- returns: 'done' | 'full'
local id = ARGV[1]
need('set', K.paused_hosts .. id)
if redis.call('HLEN', K.pauses) >= tonumber(ARGV[3]) then return 'full' end
for first = 4, #ARGV, 1000 do -- unpack has a limit
  redis.call('SADD', K.paused_hosts .. id, unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
redis.call('HSET', K.pauses, id, ARGV[2])
list_paused(redis.call('HGETALL', K.pauses))
return 'done'
