-- Publishes again what the ledger holds as waiting while its message is gone (lost between queue and agent, or the
-- queue was deleted). Messages that still wait are not doubled; a message too many would be refused by `claim`.
-- include: clock publish
-- KEYS: none
-- ARGV: 1 now, 2 slot, 3 microseconds an execution must have waited, 4 how many at most, 5 message template or ''
-- returns: {"job:slot", priority, attempt, ...} of what was published again
local at = clock(ARGV[1])
local slot, template = ARGV[2], ARGV[5]
local queue, lists, queued = K.queue .. slot, {}, 0
for step = 0, 9 do
  lists[step] = step == 0 and queue or (queue .. '\6\22' .. int(step))
  queued = queued + redis.call('LLEN', lists[step])
end
if template ~= '' and redis.call('ZCARD', K.waiting .. slot) <= queued then return {} end
local old = redis.call('ZRANGEBYSCORE', K.waiting .. slot, '-inf', int(at - tonumber(ARGV[3])), 'LIMIT', 0, ARGV[4])
if #old == 0 then return {} end
local present = {}
for step = 0, 9 do
  for _, message in ipairs(redis.call('LRANGE', lists[step], 0, -1)) do
    local id = string.match(message, '%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x')
    if id then present[id] = true end
  end
end
local published = {}
for _, id in ipairs(old) do
  if not present[id] then
    local record = redis.call('HMGET', K.exec .. slot .. ':' .. id, 'state', 'attempt')
    if record[1] == 'submitted' then
      local priority = redis.call('HGET', K.job .. id, 'prio')
      local attempt = int(tonumber(record[2]) + 1)
      publish(template, id, slot, attempt, tonumber(priority), at)
      redis.call('HINCRBY', K.stats, 'republished', 1)
      for _, value in ipairs({id .. ':' .. slot, priority, attempt}) do published[#published + 1] = value end
    else
      redis.call('ZREM', K.waiting .. slot, id)
    end
  end
end
return published
