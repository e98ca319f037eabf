-- Publishes waiting executions again whose message is gone (lost between queue and agent, or with the queue).
-- Each of the ten lists of a queue is in the order of publication and only its oldest message can be taken, so a message
-- is gone exactly if its list is empty or the oldest message there is younger. `claim` refuses a duplicate message.
-- A message that is gone may be in the hands of its agent, which is merely late: one that is offline is waited for, and
-- one that is busy gets BUSY times as long, unless it was started after the message was published.
-- include: clock next_time publish
-- KEYS: none
-- ARGV: 1 now, 2 slot, 3 microseconds an execution must have waited, 4 maximum number to check, oldest first,
--   5 message template or '' (the broker is another server: a message that waited that long counts as lost, unless its
--   agent is busy or away, since the broker keeps its messages)
-- returns: {"job:slot", priority, attempt, ...} of what was published again
local slot, template = ARGV[2], parse_template(ARGV[5])
-- after the clock was set back, the messages' times may be ahead of it
local at = clock(ARGV[1])
at = math.max(at, ticked(at))
local BUSY, is_blind = 6, ARGV[5] == ''
local since = at - tonumber(ARGV[3])

-- Whether the agent is live, when it was started, and whether it runs something.
local function agent_of(host)
  local is_live = num(redis.call('ZSCORE', K.agents, host)) > clock(ARGV[1])
  if not is_live or not is_sound('hash', K.agent .. host) then return false, 0, false end
  local known = redis.call('HMGET', K.agent .. host, 'started', 'running')
  return true, num(known[1]), num(known[2]) > 0
end

-- For a broker elsewhere: whether an agent that takes work is idle, of a sample.
local function is_any_idle()
  for _, profile in ipairs(redis.call('SMEMBERS', K.profiles)) do
    local hosts = redis.call('ZREVRANGEBYSCORE', K.takers .. profile, '+inf', '(' .. int(clock(ARGV[1])), 'LIMIT', 0, 50)
    for _, host in ipairs(hosts) do
      local is_live, _, is_busy = agent_of(host)
      if is_live and not is_busy then return true end
    end
  end
  return false
end

local is_live, started, is_busy = true, 0, false
if slot ~= '_any' then
  is_live, started, is_busy = agent_of(slot)
  if is_blind and is_live then is_live = redis.call('SISMEMBER', K.away, slot) == 0 and not is_busy end
elseif is_blind then
  is_live = is_any_idle()
end
if not is_live then return {} end

local old = redis.call('ZRANGEBYSCORE', K.waiting .. slot, '-inf', int(since),
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

local function is_merely_late(publish_time)
  return is_busy and publish_time >= started and publish_time > at - BUSY * tonumber(ARGV[3])
end

local published, time = {}, nil
for i = 1, #old, 2 do
  local id = old[i]
  local exec = K.exec .. slot .. ':' .. id
  local is_whole = is_sound('hash', K.job .. id) and is_sound('hash', exec)
  local priority = is_whole and redis.call('HGET', K.job .. id, 'prio')
  local record = is_whole and redis.call('HMGET', exec, 'state', 'attempt') or {}
  if record[1] ~= 'submitted' or not tonumber(priority or '') then
    redis.call('ZREM', K.waiting .. slot, id)
  elseif tonumber(old[i + 1]) < oldest_message(step_of(priority)) and not is_merely_late(tonumber(old[i + 1])) then
    time = time or tick(at)
    local attempt = int(num(record[2]) + 1)
    priority = 9 - step_of(priority)
    publish(message_of(template, id, slot, attempt, priority, time), id, slot, priority, time)
    count(K.stats, 'republished', 1)
    for _, value in ipairs({id .. ':' .. slot, priority, attempt}) do published[#published + 1] = value end
  end
end
return published
