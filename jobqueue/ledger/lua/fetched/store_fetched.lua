-- Stores a piece of the files that a running execution sends.
-- KEYS: none
-- ARGV: 1 job id, 2 hostname, 3 token, 4 number of the piece, from 0, 5 piece
-- returns: 1, or 0 if the token is stale
local id, host = ARGV[1], ARGV[2]
local record = redis.call('HMGET', K.exec .. host .. ':' .. id, 'state', 'token')
if record[1] ~= 'started' or record[2] ~= ARGV[3] then return 0 end
local key = K.fetched .. host .. ':' .. id
need('hash', key)
redis.call('HSET', key, ARGV[4], ARGV[5])
return 1
