-- Ends executions that were not started before their deadline.
-- include: clock events status index batches rollout settle transition slots
-- KEYS: none
-- ARGV: 1 now, 2 after how many executions to stop; the executions of one job are handled together
-- returns: the number of executions that expired
local at = clock(ARGV[1])
local expired = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.deadlines, '-inf', int(at), 'LIMIT', 0, ARGV[2])) do
  if expired >= tonumber(ARGV[2]) then break end
  redis.call('ZREM', K.deadlines, id)
  local is_whole = is_sound('hash', K.job .. id) and is_sound('list', K.slots .. id)
  local record = is_whole and redis.call('HMGET', K.job .. id, 'slot', 'fanout', 'opened') or {}
  local slots = recorded_slots(id, record[1], record[2], record[3])
  if record[3] then end_held(id, at, 'expired', 'not started before its deadline') end
  for _, slot in ipairs(slots) do
    if is_sound('hash', K.exec .. slot .. ':' .. id) and redis.call('HGET', K.exec .. slot .. ':' .. id, 'state') == 'submitted' then
      transition(id, slot, at, slot, {{'expired', 'expired', 'not started before its deadline'}})
      redis.call('ZREM', K.waiting .. slot, id)
      redis.call('ZREM', K.due, id .. ':' .. slot)
      expired = expired + 1
    end
  end
end
return expired
