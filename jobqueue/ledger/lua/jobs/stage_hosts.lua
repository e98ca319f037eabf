-- Adds hosts to the list of a job that is about to be created: those of a slice that take work. The list expires unless
-- `create_jobs` takes it.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 job id, 3 '1' to keep offline hosts or '', 4 milliseconds until the list expires, 5 length of the list so far (of a
--   call that is repeated because its answer was lost, what it added is replaced), then hostnames, in order
-- returns: those of them that take no work, and are not listed
local at, key = clock(ARGV[1]), K.staged .. ARGV[2]
local hosts = {unpack(ARGV, 6, #ARGV)}
local away, barred = redis.call('SMISMEMBER', K.away, unpack(hosts)), redis.call('SMISMEMBER', K.barred, unpack(hosts))
local live_until = redis.call('ZMSCORE', K.agents, unpack(hosts))
local found, left_out = {}, {}
for i, host in ipairs(hosts) do
  local time = tonumber(live_until[i] or 0) or 0
  local is_away = num(away[i]) == 1 or num(barred[i]) == 1
  local listed = (time > at or (ARGV[3] ~= '' and time > 0)) and not is_away and found or left_out
  listed[#listed + 1] = host
end
if ARGV[5] == '0' then redis.call('DEL', key) else redis.call('LTRIM', key, 0, tonumber(ARGV[5]) - 1) end
if #found > 0 then redis.call('RPUSH', key, unpack(found)) end
redis.call('PEXPIRE', key, ARGV[4])
return left_out
