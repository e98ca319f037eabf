-- Rebuilds an unreadable timeline from the job's submission and the present states of its executions.
-- include: clock slots
-- KEYS: none
-- ARGV: 1 now, 2 job id
-- returns: 1
local at, id = int(clock(ARGV[1])), ARGV[2]
local job = K.job .. id
if redis.call('EXISTS', job) == 0 then return 1 end
local record = redis.call('HMGET', job, 'created', 'slot', 'fanout', 'cancel', 'opened')
local slots = recorded_slots(id, record[2], record[3], record[5])
need('hash', job)
for _, slot in ipairs(slots) do need('hash', K.exec .. slot .. ':' .. id) end
-- removes all events; new ones are written below
local function clear(key)
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.match(field, '^e%d*$') then redis.call('HDEL', key, field) end
  end
end
clear(job)
if record[5] then -- what cannot be read of a rollout's past; its next steps do not need it
  for _, field in ipairs(redis.call('HKEYS', job)) do
    if string.match(field, '^b%d+$') then redis.call('HDEL', job, field) end
  end
  for _, field in ipairs({'rest', 'stopped'}) do
    local state = string.match(redis.call('HGET', job, field) or '', '^%l+|') or 'cancelled|'
    if redis.call('HEXISTS', job, field) == 1 then
      redis.call('HSET', job, field, (field == 'rest' and state or '') .. at .. '|its history was damaged')
    end
  end
end
redis.call('HSET', job, 'events', '1', 'last', record[1], 'updated', at, 'e1', record[1] .. '|submitted|_api|')
if record[4] and not string.match(record[4], '^%d+$') then redis.call('HSET', job, 'cancel', at) end
for _, slot in ipairs(slots) do
  local exec = K.exec .. slot .. ':' .. id
  local state = redis.call('HGET', exec, 'state')
  clear(exec)
  redis.call('HDEL', exec, 'o1', 'o2', 'o3')
  if state == 'submitted' then
    redis.call('HSET', exec, 'events', '0', 'last', at)
  else
    redis.call('HSET', exec, 'events', '1', 'last', at, 'e1', at .. '|' .. state .. '|' .. slot .. '|its history was damaged')
  end
end
return 1
