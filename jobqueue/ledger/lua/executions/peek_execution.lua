-- Where an execution is and how it stands, cheaply: for those who follow it.
-- KEYS: none
-- ARGV: 1 job id, 2 slot (of a job with one execution: any, for it may have moved)
-- returns: {slot, state} | false
local slot = redis.call('HGET', K.job .. ARGV[1], 'slot') or ARGV[2]
local state = redis.call('HGET', K.exec .. slot .. ':' .. ARGV[1], 'state')
return state and {slot, state}
