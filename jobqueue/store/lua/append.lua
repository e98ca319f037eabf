-- An agent adds to the output of an execution that it runs. An entry's id is the byte offset behind it, so that
-- reading from an offset is a range query. Only the newest bytes are kept, up to the cap.
-- KEYS: none
-- ARGV: 1 job id, 2 hostname, 3 token, 4 cap in bytes, then per piece: stream, length in bytes, field (t or b), payload
-- returns: the new end of the output, or -1 if the token is stale
local id, host = ARGV[1], ARGV[2]
local record = redis.call('HMGET', K.exec .. host .. ':' .. id, 'state', 'token', 'attempt')
if record[1] ~= 'started' or record[2] ~= ARGV[3] then return -1 end
local key = K.log .. host .. ':' .. id
local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
local total = newest[1] and tonumber(string.match(newest[1][1], '^%d+')) or 0
if not newest[1] and redis.call('HGET', K.job .. id, 'shared') then
  -- another host may run a later attempt: remember whose output there is to delete
  local hosts = redis.call('HGET', K.job .. id, 'logs')
  redis.call('HSET', K.job .. id, 'logs', hosts and (hosts .. ' ' .. host) or host)
end
for i = 5, #ARGV, 4 do
  total = total + tonumber(ARGV[i + 1])
  redis.call('XADD', key, string.format('%.0f', total), 's', ARGV[i], ARGV[i + 2], ARGV[i + 3], 'a', record[3])
end
local oldest = total - tonumber(ARGV[4])
if oldest > 0 then redis.call('XTRIM', key, 'MINID', string.format('%.0f', oldest)) end
return total
