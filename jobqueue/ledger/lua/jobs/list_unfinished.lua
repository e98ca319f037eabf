-- Lists broadcasts whose cancel or removal is not complete, for maintenance.
-- KEYS: none
-- ARGV: 1 how many of each at most
-- returns: {{id...} to cancel, {id...} to remove}
local last = tonumber(ARGV[1]) - 1
return {redis.call('ZRANGE', K.cancelling, 0, last), redis.call('ZRANGE', K.removals, 0, last)}
