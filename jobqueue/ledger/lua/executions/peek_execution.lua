-- Reads the state and host of an execution, cheaply, for followers of its output.
-- KEYS: none
-- ARGV: 1 job id, 2 slot (of an `_any` job: any)
-- returns: {slot, state} | false
local job = redis.call('HMGET', K.job .. ARGV[1], 'shared', 'slot')
local slot = job[1] and job[2] or ARGV[2]
local state = redis.call('HGET', K.exec .. slot .. ':' .. ARGV[1], 'state')
return state and {slot, state}
