-- Reserves space for the files that a running execution is about to send.
-- include: clock
-- KEYS: none
-- ARGV: 1 job id, 2 hostname, 3 token, 4 size of the files in bytes, 5 how many bytes the files of all jobs may have
-- returns: 'reserved' | 'full' (nothing was reserved) | 'stale' (the token is)
local id, host, size = ARGV[1], ARGV[2], tonumber(ARGV[4])
local record = redis.call('HMGET', K.exec .. host .. ':' .. id, 'state', 'token')
if record[1] ~= 'started' or record[2] ~= ARGV[3] then return 'stale' end
need('hash', K.fetched_bytes)
local name = host .. ':' .. id
-- not 0 if the answer to an earlier call was lost
local before = num(redis.call('HGET', K.fetched_bytes, name))
local all = num(redis.call('HGET', K.fetched_bytes, 'all'))
if all - before + size > tonumber(ARGV[5]) then return 'full' end
count(K.fetched_bytes, 'all', int(size - before))
count(K.fetched_bytes, name, int(size - before))
return 'reserved'
