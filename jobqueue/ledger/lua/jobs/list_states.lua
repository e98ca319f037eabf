-- Reads the states of the executions of broadcasts in some of their slots.
-- KEYS: none
-- ARGV: 1 job id, 2.. slots
-- returns: {state, ...} | false (no such job)
local id, rest = ARGV[1], 'submitted'
if redis.call('EXISTS', K.job .. id) == 0 then return false end
local value = redis.call('HGET', K.job .. id, 'rest')
if value then rest = string.match(value, '^[^|]*') end
local found = {}
for i = 2, #ARGV do found[#found + 1] = redis.call('HGET', K.exec .. ARGV[i] .. ':' .. id, 'state') or rest end
return found
