-- Records an operation's progress report, which replaces the previous one.
-- include: short_answer answer
-- KEYS: none
-- ARGV: 1 job id, 2 hostname, 3 token, 4 JSON, 5 '1' while nothing has been begun that must not be begun twice, or ''
-- returns: 1, or 0 if the token is stale
local exec = K.exec .. ARGV[2] .. ':' .. ARGV[1]
local record = redis.call('HMGET', exec, 'state', 'token')
if record[1] ~= 'started' or record[2] ~= ARGV[3] then return 0 end
if ARGV[5] ~= '' then redis.call('HSET', exec, 'idle', '1') else redis.call('HDEL', exec, 'idle') end
keep_answer(ARGV[2] .. ':' .. ARGV[1], ARGV[4])
return 1
