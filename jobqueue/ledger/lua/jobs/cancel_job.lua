-- Cancels a job: executions that have not started end at once, those without a record together; running ones are marked, and their agents stop them.
-- An external run is marked too: only its driver knows when it has stopped.
-- include: clock events status index batches rollout settle transition slots
-- KEYS: none
-- ARGV: 1 now, 2 job id, 3 who asked
-- returns: 'cancelled' (nothing runs) | 'requested' | 'final' | 'unknown'
local at = clock(ARGV[1])
local id = ARGV[2]
local job = K.job .. id
local record = redis.call('HMGET', job, 'status', 'slot', 'fanout', 'cancel', 'updated', 'outside', 'opened')
if not record[1] then return 'unknown' end
if FINAL[record[1]] then return 'final' end
local slots = recorded_slots(id, record[2], record[3], record[7])
local states = {}
for i, slot in ipairs(slots) do states[i] = redis.call('HGET', K.exec .. slot .. ':' .. id, 'state') end
if not record[4] then redis.call('HSET', job, 'cancel', int(at), 'updated', int(math.max(at, num(record[5])))) end
if record[7] then end_held(id, at, 'cancelled', ARGV[3]) end
local running = false
for i, slot in ipairs(slots) do
  local state = states[i]
  if state == 'submitted' and not record[6] then
    transition(id, slot, at, slot, {{'cancelled', 'cancelled', ARGV[3]}})
    redis.call('ZREM', K.waiting .. slot, id)
    redis.call('ZREM', K.due, id .. ':' .. slot)
  elseif not FINAL_STATES[state] then
    running = true
  end
end
return running and 'requested' or 'cancelled'
