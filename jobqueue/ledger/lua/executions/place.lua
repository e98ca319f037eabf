-- Gives a job that no agent could run when it was accepted to one that can.
-- include: clock next_time index publish hosts offers
-- KEYS: none
-- ARGV: 1 now, 2 job id, 3 time before which it must not start or '', 4 message template or '', then hostnames of agents
--   that have what the job needs
-- returns: {"job:slot", priority, attempt} of what was published | {}: no agent takes work, or the job waits
--   no more, or waits for its time
local at = clock(ARGV[1])
local id = ARGV[2]
local waiting, exec, job = K.waiting .. '_unplaced', K.exec .. '_unplaced:' .. id, K.job .. id
local is_whole = is_sound('hash', exec) and is_sound('hash', job)
local record = is_whole and redis.call('HMGET', exec, 'state', 'attempt') or {}
local known = is_whole and redis.call('HMGET', job, 'op', 'status', 'created', 'prio', 'ops') or {}
if record[1] ~= 'submitted' or not tonumber(known[4] or '') then
  redis.call('ZREM', waiting, id)
  return {}
end
local able = {}
local hosts = {}
for i = 5, #ARGV do hosts[#hosts + 1] = ARGV[i] end -- unpack has a limit
for _, host in ipairs(taking(hosts, at, false)) do
  if offers_all(host, known[1] or '?', known[5]) then able[#able + 1] = host end
end
if #able == 0 then return {} end

local host = least_busy(able, at)
redis.call('RENAME', exec, K.exec .. host .. ':' .. id)
redis.call('HSET', job, 'slot', host, 'host', host)
change_host(id, known[3], known[2], nil, host)
redis.call('ZREM', waiting, id)
if ARGV[3] ~= '' and tonumber(ARGV[3]) > at then
  redis.call('ZADD', K.due, ARGV[3], id .. ':' .. host)
  return {}
end
local priority, attempt = math.max(0, math.min(9, math.floor(num(known[4])))), int(num(record[2]) + 1)
local time = tick(at)
publish(message_of(parse_template(ARGV[4]), id, host, attempt, priority, time), id, host, priority, time)
return {id .. ':' .. host, priority, attempt}
