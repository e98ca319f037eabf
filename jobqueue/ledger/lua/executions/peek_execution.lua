-- Reads the state and host of an execution, cheaply, for followers of its output.
-- KEYS: none
-- ARGV: 1 job id, 2 slot (of a job with one execution: any, for it may have moved)
-- returns: {slot, state} | false
local slot = redis.call('HGET', K.job .. ARGV[1], 'slot') or ARGV[2]
local state = redis.call('HGET', K.exec .. slot .. ':' .. ARGV[1], 'state')
return state and {slot, state}
