-- Appends to the output of a running execution. An entry's id is the byte offset after it, so that reading from an
-- offset is a range query. Only the newest bytes are kept, up to the cap.
-- KEYS: none
-- ARGV: 1 job id, 2 hostname, 3 token, 4 cap in bytes, 5 number of the batch (growing), then per piece: stream, length in bytes, field (t or b), payload
-- returns: the new end of the output, or -1 if the token is stale
local id, host = ARGV[1], ARGV[2]
local record = redis.call('HMGET', K.exec .. host .. ':' .. id, 'state', 'token', 'attempt')
if record[1] ~= 'started' or record[2] ~= ARGV[3] then return -1 end
-- a batch that is sent again because our answer was lost has been stored already
local last = redis.call('HGET', K.exec .. host .. ':' .. id, 'batch')
local token, number = string.match(last or '', '^(.*):(%d+)$')
local is_known = token == ARGV[3] and tonumber(number) >= tonumber(ARGV[5])
local key = K.log .. host .. ':' .. id
local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
local total = newest[1] and tonumber(string.match(newest[1][1], '^%d+')) or 0
if is_known then return total end
local shared = redis.call('HMGET', K.job .. id, 'shared', 'logs')
if total > 9e15 then -- larger than any valid offset; nothing could be appended after it
  redis.call('DEL', key)
  newest, total = {}, 0
end
redis.call('HSET', K.exec .. host .. ':' .. id, 'batch', ARGV[3] .. ':' .. ARGV[5])
if not newest[1] and shared[1] then
  -- another host may run a later attempt: record whose output must be deleted
  local hosts = shared[2]
  redis.call('HSET', K.job .. id, 'logs', hosts and (hosts .. ' ' .. host) or host)
end
for i = 6, #ARGV, 4 do
  total = total + tonumber(ARGV[i + 1])
  redis.call('XADD', key, string.format('%.0f', total), 's', ARGV[i], ARGV[i + 2], ARGV[i + 3], 'a', record[3])
end
local oldest = total - tonumber(ARGV[4])
if oldest > 0 then redis.call('XTRIM', key, 'MINID', string.format('%.0f', oldest)) end
return total
