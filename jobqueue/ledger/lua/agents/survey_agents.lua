-- Reads what counts of some agents, for a summary of all: the next ones in alphabetical order.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 hostname behind which to begin or '', 3 how many at most
-- returns: {now, {hostname, {'1' if it is live or '', state, last heartbeat, executions that run, how many it can run,
--   waiting executions, time of the oldest of them or '', {condition, ...}}, ...}}; an unreadable agent has no second list
local at = clock(ARGV[1])
local hosts = redis.call('ZRANGEBYLEX', K.hostnames, ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'LIMIT', 0, ARGV[3])

local function survey(host)
  local known = redis.call('HMGET', K.agent .. host, 'state', 'beat', 'running', 'vitals', 'info')
  if not known[1] then return nil end
  local is_live = tonumber(redis.call('ZSCORE', K.agents, host) or 0) > at
  local state = redis.call('SISMEMBER', K.barred, host) == 1 and 'Revoked' or known[1]
  local oldest = redis.call('ZRANGE', K.waiting .. host, 0, 0, 'WITHSCORES')
  local conditions = {}
  local is_read, vitals = pcall(cjson.decode, known[4] or '{}')
  if is_read and type(vitals) == 'table' and type(vitals.conditions) == 'table' then
    for i, condition in ipairs(vitals.conditions) do conditions[i] = string.sub(tostring(condition), 1, 64) end
  end
  return {is_live and '1' or '', state, int(num(known[2])), is_live and int(num(known[3])) or '0',
    string.match(known[5] or '', '"concurrency": ?(%d+)') or '0', redis.call('ZCARD', K.waiting .. host),
    oldest[2] and int(num(oldest[2])) or '', conditions}
end

local found = {}
for _, host in ipairs(hosts) do
  found[#found + 1] = host
  -- a damaged record must not hide the others
  found[#found + 1] = (type_of(K.agent .. host) == 'hash' and survey(host)) or {}
end
return {int(at), found}
