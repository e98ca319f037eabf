-- Takes, renews or releases the lease of the front's process that surveys the hosts of the cells.
-- include: lease
-- KEYS: none
-- ARGV: 1 the caller, 2 length of the lease in ms (0: release it)
-- returns: 1 if the caller surveys now, else 0
return hold_lease(K.surveyor, ARGV[1], ARGV[2]) and 1 or 0
