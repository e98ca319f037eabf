-- Names a part of a broadcast's slots, in their order.
-- KEYS: none
-- ARGV: 1 job id, 2 number of slots to pass over, 3 how many to name at most
-- returns: {slot, ...}
local first = tonumber(ARGV[2])
return redis.call('LRANGE', K.slots .. ARGV[1], first, first + tonumber(ARGV[3]) - 1)
