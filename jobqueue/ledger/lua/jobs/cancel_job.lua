-- Cancels a job: executions that have not started end at once, those without a record together; running ones are marked,
-- and their agents stop them. An external run is marked too: only its driver knows when it has stopped. The executions of a broadcast end in slices:
-- from the first call on none of them starts (`claim`), and the caller repeats the call, or maintenance does.
-- include: clock events notice status index batches rollout concurrency settle end_held parking end_waiting slots
-- KEYS: none
-- ARGV: 1 now, 2 job id, 3 who asked, 4 how many executions to look at, 5 '1' to take the next slice of a cancel that is
--   not complete, regardless of who requested it, or ''
-- returns: 'cancelled' (nothing runs) | 'requested' | 'more' (repeat the call) | 'final' | 'unknown'
local at, id, most = clock(ARGV[1]), ARGV[2], tonumber(ARGV[4])
local job = K.job .. id
local goes_on = ARGV[5] == '1'
local record = (not goes_on or is_sound('hash', job)) and redis.call('HMGET', job, 'status', 'slot', 'fanout', 'cancel',
  'updated', 'outside', 'canceller', 'opened') or {}
if not record[1] or FINAL[record[1]] or (goes_on and not is_sound('list', K.slots .. id)) then
  redis.call('ZREM', K.cancelling, id)
  return record[1] and 'final' or 'unknown'
end
local who = goes_on and (record[7] or '') or ARGV[3]
local first = record[4] and num(redis.call('ZSCORE', K.cancelling, id)) or 0
local slots = recorded_slice(id, record[2], record[3], record[8], first, most)
local is_last = not record[3] or #slots < most

local waiting, records = {}, {}
if not record[6] then waiting, records = waiting_among(id, slots, first > 0 or goes_on) end
if not record[4] then redis.call('HSET', job, 'cancel', int(at), 'updated', int(math.max(at, num(record[5])))) end
if not is_last then
  redis.call('ZADD', K.cancelling, int(first + #slots), id)
  if not record[7] then redis.call('HSET', job, 'canceller', who) end
end
if record[8] then end_held(id, at, 'cancelled', who) end
local status = end_waiting(id, waiting, records, at, 'cancelled', who)
if is_last or FINAL[status] then
  redis.call('ZREM', K.cancelling, id)
  if record[7] then redis.call('HDEL', job, 'canceller') end
end
if FINAL[status] then return 'cancelled' end
return is_last and 'requested' or 'more'
