-- Ends external runs whose drivers have been silent too long.
-- include: clock events notice status index advance<batches,rollout> concurrency settle transition
-- KEYS: none
-- ARGV: 1 now, 2 microseconds of silence, 3 how many at most, 4 their slot, 5 note
-- returns: the number of runs that were ended
local at = clock(ARGV[1])
local slot = ARGV[4]
local silent = redis.call('ZRANGEBYSCORE', K.outside, '-inf', int(at - tonumber(ARGV[2])), 'LIMIT', 0, ARGV[3])
for _, id in ipairs(silent) do
  redis.call('ZREM', K.outside, id)
  local state = is_sound('hash', K.exec .. slot .. ':' .. id) and is_sound('hash', K.job .. id) and redis.call('HGET', K.exec .. slot .. ':' .. id, 'state')
  if ALLOWED[state] then
    local last = ALLOWED[state].lost and 'lost' or 'expired'
    transition(id, slot, at, redis.call('HGET', K.job .. id, 'host') or slot, {{last, last, ARGV[5]}})
  end
end
store_measured()
return #silent
