-- Acquires, renews or releases the leadership among the copies of maintenance.
-- KEYS: none
-- ARGV: 1 the caller, 2 length of the lease in ms (0: release it)
-- returns: 1 if the caller leads now, else 0
local leader = redis.call('GET', K.leader)
if ARGV[2] == '0' then
  if leader == ARGV[1] then redis.call('DEL', K.leader) end
  return 0
end
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', K.leader, ARGV[1], 'PX', ARGV[2])
return 1
