-- Renews the leases of all executions of an agent, and returns those that it must stop.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 lease in microseconds, then pairs: job id, token
-- returns: one of 'ok' | 'cancel' | 'stale' per pair, in order
local until_ = int(clock(ARGV[1]) + tonumber(ARGV[3]))
local host, answers = ARGV[2], {}
local is_barred = redis.call('SISMEMBER', K.barred, host) == 1
for i = 4, #ARGV, 2 do
  local id = ARGV[i]
  local record = redis.call('HMGET', K.exec .. host .. ':' .. id, 'state', 'token')
  if is_barred or record[1] ~= 'started' or record[2] ~= ARGV[i + 1] then
    answers[#answers + 1] = 'stale'
  else
    redis.call('ZADD', K.leases, until_, id .. ':' .. host)
    answers[#answers + 1] = redis.call('HGET', K.job .. id, 'cancel') and 'cancel' or 'ok'
  end
end
return answers
