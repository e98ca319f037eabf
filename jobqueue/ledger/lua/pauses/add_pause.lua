-- Pauses an operation, a tag, hosts or everything: no new execution starts there.
-- include: pauses audit_trail made_before
-- KEYS: none
-- ARGV: 1 id of the pause, 2 its record (see `pauses`), 3 how many pauses there may be, 4 how many entries
--   the audit trail keeps, 5 seal of the entry for it, 6 that entry or '', then the hosts if it is one of hosts
-- returns: {'done', number and link of the entry} | {'full'}
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[5], ARGV[6])
if repeated then return repeated end
local id = ARGV[1]
need('set', K.paused_hosts .. id)
if redis.call('HLEN', K.pauses) >= tonumber(ARGV[3]) then return {'full'} end
local is_entered, number, link = entered(ARGV[4], ARGV[5], ARGV[6])
if not is_entered then return {'unrecorded', number} end
for first = 7, #ARGV, 1000 do -- unpack has a limit
  redis.call('SADD', K.paused_hosts .. id, unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
redis.call('HSET', K.pauses, id, ARGV[2])
list_paused(redis.call('HGETALL', K.pauses))
return {'done', number, link}
