-- An agent tells of an execution while it runs; what it told before is replaced.
-- KEYS: none
-- ARGV: 1 job id, 2 hostname, 3 token, 4 JSON
-- returns: 1, or 0 if the token is stale
local exec = K.exec .. ARGV[2] .. ':' .. ARGV[1]
local record = redis.call('HMGET', exec, 'state', 'token')
if record[1] ~= 'started' or record[2] ~= ARGV[3] then return 0 end
redis.call('SET', K.out .. ARGV[2] .. ':' .. ARGV[1], ARGV[4])
return 1
