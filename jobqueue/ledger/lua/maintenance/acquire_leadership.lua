-- Acquires, renews or releases the leadership among the copies of maintenance.
-- include: lease
-- KEYS: none
-- ARGV: 1 the caller, 2 length of the lease in ms (0: release it)
-- returns: 1 if the caller leads now, else 0
return hold_lease(K.leader, ARGV[1], ARGV[2]) and 1 or 0
