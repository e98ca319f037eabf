-- Ends pauses whose time has passed, and returns executions that nothing holds back any longer to the front of their
-- queues. The newest return first, so that each list of messages stays in the order of their times.
-- include: clock publish pauses
-- KEYS: none
-- ARGV: 1 now, 2 how many at most, 3 message template or '' (the broker is elsewhere: the caller sends the messages)
-- returns: {number of executions examined, {"job:slot", priority, attempt, ...} of what returned}
local at, most, template = clock(ARGV[1]), tonumber(ARGV[2]), parse_template(ARGV[3])
local pauses, left = redis.call('HGETALL', K.pauses), {}
for i = 1, #pauses, 2 do
  local until_ = string.match(pauses[i + 1], '^%l+|(%d+)|')
  if until_ and num(until_) <= at then
    redis.call('HDEL', K.pauses, pauses[i])
    redis.call('UNLINK', K.paused_hosts .. pauses[i])
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
for _, reason in ipairs(redis.call('ZRANGE', K.returning, 0, most - 1)) do
  if looked_at >= most then break end
  local room = most - looked_at
  local members = redis.call('ZREVRANGE', K.parked .. reason, 0, room - 1, 'WITHSCORES')
  looked_at = looked_at + #members / 2
  for i = 1, #members, 2 do
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
  if #members / 2 < room then redis.call('ZREM', K.returning, reason) end
end
return {looked_at, template and {} or returned}
