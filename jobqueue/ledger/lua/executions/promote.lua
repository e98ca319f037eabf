-- Publishes executions that are due (`not_before`, or the back-off of a retry).
-- include: clock next_time publish
-- KEYS: none
-- ARGV: 1 now, 2 how many at most, 3 message template or ''
-- returns: {number of executions examined, {"job:slot", priority, attempt, ...} of what was published}
local at = clock(ARGV[1])
local due = redis.call('ZRANGEBYSCORE', K.due, '-inf', int(at), 'LIMIT', 0, ARGV[2])
if #due == 0 then return {0, {}} end
local published, time, template = {}, tick(at), parse_template(ARGV[3])
for _, member in ipairs(due) do
  local id, slot = string.sub(member, 1, 36), string.sub(member, 38)
  redis.call('ZREM', K.due, member)
  local exec, job = K.exec .. slot .. ':' .. id, K.job .. id
  local is_whole = is_sound('hash', exec) and is_sound('hash', job)
  local attempt = is_whole and redis.call('HGET', exec, 'attempt')
  local priority = is_whole and redis.call('HGET', job, 'prio')
  if attempt and tonumber(priority or '') then
    priority = math.max(0, math.min(9, math.floor(num(priority))))
    attempt = int(num(attempt) + 1)
    publish(message_of(template, id, slot, attempt, priority, time), id, slot, priority, time)
    for _, value in ipairs({member, priority, attempt}) do published[#published + 1] = value end
  end
end
return {#due, published}
