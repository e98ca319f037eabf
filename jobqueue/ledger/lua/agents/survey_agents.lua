-- Reads what counts of some agents, for a summary of all: the next ones in alphabetical order.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 hostname after which to begin or '', 3 how many at most
-- returns: {now, {hostname, {'1' if it is live or '', state, last heartbeat, executions that run, how many it can run,
--   waiting executions, time of the oldest of them or '', {condition, ...}}, ...}}; an unreadable agent has no second list
local at = clock(ARGV[1])
local hosts = redis.call('ZRANGEBYLEX', K.hostnames, ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'LIMIT', 0, ARGV[3])

-- The conditions that an agent reports. Most report none, which needs no decoding.
local function conditions_of(vitals)
  local conditions = {}
  if not vitals or string.find(vitals, '"conditions": []', 1, true) then return conditions end
  local is_read, known = pcall(cjson.decode, vitals)
  if is_read and type(known) == 'table' and type(known.conditions) == 'table' then
    for i, condition in ipairs(known.conditions) do conditions[i] = string.sub(tostring(condition), 1, 64) end
  end
  return conditions
end

-- How many executions an agent can run. A pattern would be tried at each byte of its facts.
local function concurrency_of(info)
  local _, last = string.find(info or '', '"concurrency":', 1, true)
  return last and string.match(info, '^ ?(%d+)', last + 1) or '0'
end

local live_until = #hosts > 0 and redis.call('ZMSCORE', K.agents, unpack(hosts)) or {}
local are_barred = redis.call('EXISTS', K.barred) == 1

local function survey(host, ends)
  local known = redis.pcall('HMGET', K.agent .. host, 'state', 'beat', 'running', 'vitals', 'info')
  if known.err then
    -- a damaged record must not hide the others
    if string.find(tostring(known.err), 'WRONGTYPE', 1, true) then return {} end
    error(known.err, 0)
  end
  if not known[1] then return {} end
  local is_live = tonumber(ends or 0) > at
  local state = are_barred and redis.call('SISMEMBER', K.barred, host) == 1 and 'Revoked' or known[1]
  local oldest = redis.call('ZRANGE', K.waiting .. host, 0, 0, 'WITHSCORES')
  return {is_live and '1' or '', state, int(num(known[2])), is_live and int(num(known[3])) or '0',
    concurrency_of(known[5]), oldest[2] and redis.call('ZCARD', K.waiting .. host) or 0,
    oldest[2] and int(num(oldest[2])) or '', conditions_of(known[4])}
end

local found = {}
for i, host in ipairs(hosts) do
  found[#found + 1] = host
  found[#found + 1] = survey(host, live_until[i])
end
return {int(at), found}
