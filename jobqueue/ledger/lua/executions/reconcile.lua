-- Publishes waiting executions again whose message is gone (lost between queue and agent, or with the queue).
-- Each of the ten lists of a queue is in the order of publication and only its oldest message can be taken, so a message
-- is gone exactly if its list is empty or the oldest message there is younger. `claim` refuses a duplicate message.
-- include: clock next_time publish
-- KEYS: none
-- ARGV: 1 now, 2 slot, 3 microseconds an execution must have waited, 4 maximum number to check, oldest first,
--   5 message template or '' (the broker is another server: a message that waited that long counts as lost)
-- returns: {"job:slot", priority, attempt, ...} of what was published again
local slot, template = ARGV[2], parse_template(ARGV[5])
-- after the clock was set back, the messages' times may be ahead of it
local at = clock(ARGV[1])
at = math.max(at, ticked(at))
local old = redis.call('ZRANGEBYSCORE', K.waiting .. slot, '-inf', int(at - tonumber(ARGV[3])),
  'WITHSCORES', 'LIMIT', 0, ARGV[4])

local oldest = {} -- by kombu's priority
local function oldest_message(step)
  if not oldest[step] then
    local message = template and redis.call('LINDEX', queue_list(slot, step), -1)
    oldest[step] = message and num(string.match(message, '@(%d+)"')) or math.huge
  end
  return oldest[step]
end

local function step_of(priority) return 9 - math.max(0, math.min(9, math.floor(num(priority)))) end

local published, time = {}, nil
for i = 1, #old, 2 do
  local id = old[i]
  local exec = K.exec .. slot .. ':' .. id
  local is_whole = is_sound('hash', K.job .. id) and is_sound('hash', exec)
  local priority = is_whole and redis.call('HGET', K.job .. id, 'prio')
  local record = is_whole and redis.call('HMGET', exec, 'state', 'attempt') or {}
  if record[1] ~= 'submitted' or not tonumber(priority or '') then
    redis.call('ZREM', K.waiting .. slot, id)
  elseif tonumber(old[i + 1]) < oldest_message(step_of(priority)) then
    time = time or tick(at)
    local attempt = int(num(record[2]) + 1)
    priority = 9 - step_of(priority)
    publish(message_of(template, id, slot, attempt, priority, time), id, slot, priority, time)
    count(K.stats, 'republished', 1)
    for _, value in ipairs({id .. ':' .. slot, priority, attempt}) do published[#published + 1] = value end
  end
end
return published
