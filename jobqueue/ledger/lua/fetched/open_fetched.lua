-- Prepares for the files that a running execution sends: what an earlier attempt on this host sent is removed.
-- include: clock fetched
-- KEYS: none
-- ARGV: 1 job id, 2 hostname, 3 token
-- returns: how many hosts the job has, or -1 if the token is stale
local id, host = ARGV[1], ARGV[2]
local record = redis.call('HMGET', K.exec .. host .. ':' .. id, 'state', 'token')
if record[1] ~= 'started' or record[2] ~= ARGV[3] then return -1 end
local known = redis.call('HMGET', K.job .. id, 'shared', 'logs', COUNT_FIELDS)
local hosts = 0
for i = 3, #STATES + 2 do hosts = hosts + math.max(0, num(known[i])) end
need('hash', K.fetched_bytes)
forget_fetched(host, id)
if known[1] and not string.find(' ' .. (known[2] or '') .. ' ', ' ' .. host .. ' ', 1, true) then
  -- another host may run a later attempt: record whose files must be deleted with the job
  redis.call('HSET', K.job .. id, 'logs', known[2] and (known[2] .. ' ' .. host) or host)
end
return math.max(1, hosts)
