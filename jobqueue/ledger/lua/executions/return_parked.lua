-- Ends pauses whose time has passed, and returns executions that nothing holds back any longer to the front of their
-- queues. The newest return first, so that each list of messages stays in the order of their times. Of those that a
-- pause with a rate holds back, as many of the oldest return as may start now.
-- include: clock publish pauses all_free_at<parking>
-- KEYS: none
-- ARGV: 1 now, 2 how many at most, 3 message template or '' (the broker is elsewhere: the caller sends the messages)
-- returns: {number of executions examined, {"job:slot", priority, attempt, ...} of what returned}
local at, most, template = clock(ARGV[1]), tonumber(ARGV[2]), parse_template(ARGV[3])
if not is_sound('hash', K.paced) then redis.call('DEL', K.paced) end
local pauses, left = redis.call('HGETALL', K.pauses), {}
for i = 1, #pauses, 2 do
  local until_ = string.match(pauses[i + 1], '^[%l%d@,]+|(%d+)|')
  if until_ and num(until_) <= at then
    redis.call('HDEL', K.pauses, pauses[i])
    redis.call('UNLINK', K.paused_hosts .. pauses[i])
    redis.call('HDEL', K.paced, pauses[i])
    redis.call('ZADD', K.returning, int(at), 'pause:' .. pauses[i])
  else
    left[#left + 1], left[#left + 2] = pauses[i], pauses[i + 1]
  end
end
list_paused(left)

-- Whether the execution waits for its return: anything else that happened to it has a place of its own.
local function is_parked(id, slot, reason)
  local exec = K.exec .. slot .. ':' .. id
  if not (is_sound('hash', exec) and is_sound('hash', K.job .. id)) then return false end
  local record = redis.call('HMGET', exec, 'state', 'parked', 'attempt')
  return record[1] == 'submitted' and record[2] == reason and record[3]
end

local looked_at, returned = 0, {}

-- Returns the parked executions {"job:slot", time, ...} to their queues, from the last to the first.
local function give_back(reason, members)
  looked_at = looked_at + #members / 2
  for i = #members - 1, 1, -2 do
    local id, slot, time = string.sub(members[i], 1, 36), string.sub(members[i], 38), members[i + 1]
    local attempt = is_parked(id, slot, reason)
    redis.call('ZREM', K.parked .. reason, members[i])
    if attempt then
      local priority = math.max(0, math.min(9, math.floor(num(redis.call('HGET', K.job .. id, 'prio')))))
      local number = int(num(attempt) + 1)
      redis.call('HDEL', K.exec .. slot .. ':' .. id, 'parked')
      publish(message_of(template, id, slot, number, priority, num(time)), id, slot, priority, num(time), 'RPUSH')
      for _, value in ipairs({members[i], priority, number}) do returned[#returned + 1] = value end
    end
  end
end

for i = 1, #left, 2 do
  local burst, interval = string.match(left[i + 1], '^%l+@(%d+),(%d+)|')
  if burst and looked_at < most then
    local stored = redis.call('HGET', K.paced, left[i])
    local free_at = all_free_at(stored, num(burst), num(interval), at)
    if free_at < num(stored) then redis.call('HSET', K.paced, left[i], int(free_at)) end -- the clock went back
    local used = math.max(0, free_at - at)
    local free = math.min(most - looked_at, math.floor(num(burst) - used / num(interval)))
    local reason = 'pause:' .. left[i]
    if free > 0 then give_back(reason, redis.call('ZRANGE', K.parked .. reason, 0, free - 1, 'WITHSCORES')) end
  end
end
for _, reason in ipairs(redis.call('ZRANGE', K.returning, 0, most - 1)) do
  if looked_at >= most then break end
  local room = most - looked_at
  -- the newest ones, in the order of their times
  local size = redis.call('ZCARD', K.parked .. reason)
  local members = redis.call('ZRANGE', K.parked .. reason, math.max(0, size - room), -1, 'WITHSCORES')
  give_back(reason, members)
  if #members / 2 < room then redis.call('ZREM', K.returning, reason) end
end
return {looked_at, template and {} or returned}
