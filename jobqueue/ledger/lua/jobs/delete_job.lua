-- Deletes a final job with all of its records. Those of a broadcast's executions are left to `remove_executions`, which
-- removes them in slices; the job is gone with the first call.
-- include: clock index concurrency fetched
-- KEYS: none
-- ARGV: 1 job id, 2 '1' to delete it in any state and even if its record is damaged, or ''
-- returns: 'deleted' | 'removing' (its executions are left) | 'running' | 'unknown'
local id = ARGV[1]
local job = K.job .. id
local forced = ARGV[2] == '1'
if forced and type_of(job) ~= 'hash' then redis.call('DEL', job) end
for _, key in ipairs({K.doc .. id, K.slots .. id}) do
  if forced and type_of(key) ~= (key == K.doc .. id and 'string' or 'list') then redis.call('DEL', key) end
end
local record = redis.call('HMGET', job, 'status', 'created', 'slot', 'fanout', 'key', 'logs', 'alias', 'exclusive',
  'reported', 'conc')
if not forced and not (record[1] and FINAL[record[1]]) then
  -- a wrong index entry must not hold up later ones; a running job is indexed again when it ends
  redis.call('ZREM', K.finished, id)
  return record[1] and 'running' or 'unknown'
end
local owner = record[5] and redis.call('GET', K.idem .. record[5])
local holder = record[8] and redis.call('GET', K.exclusive .. record[8])
local reporter = record[9] and redis.call('GET', K.reported .. record[9])
local known = record[8] and redis.call('HGET', K.reached, record[8]) or ''
local text = redis.call('GET', K.doc .. id) or ''
local is_broadcast = record[4] and redis.call('EXISTS', K.slots .. id) == 1
if not forced and record[4] then need('list', K.slots .. id) end
-- `remove_executions` takes it out of the indexes by host, in which versions before put it
if is_broadcast and record[4] ~= FANNED_OUT then redis.call('HSET', job, 'fanout', FANNED_OUT) end
for _, status in ipairs(forced and STATUSES or {record[1]}) do leave_indexes(id, status) end
-- an agent of a version before may have ended it without taking it out of the indexes of unfinished jobs
if not forced then leave_indexes(id, 'submitted') end
local slot = record[3]
if is_broadcast then
  redis.call('DEL', K.removing .. id)
  redis.call('RENAME', K.slots .. id, K.removing .. id)
  -- 0: only the records of its executions and its entries in lists by host are left; 1: all traces
  redis.call('ZADD', K.removals, (forced or record[4] ~= FANNED_OUT) and '1' or '0', id)
elseif slot then
  if forced then
    redis.call('ZREM', K.waiting .. slot, id)
    for _, key in ipairs({K.due, K.leases}) do redis.call('ZREM', key, id .. ':' .. slot) end
    local reason = is_sound('hash', K.exec .. slot .. ':' .. id) and redis.call('HGET', K.exec .. slot .. ':' .. id, 'parked')
    if reason then redis.call('ZREM', K.parked .. reason, id .. ':' .. slot) end
  end
  redis.call('DEL', K.exec .. slot .. ':' .. id, K.out .. slot .. ':' .. id, K.log .. slot .. ':' .. id)
  forget_fetched(slot, id)
end
for host in string.gmatch(record[6] or '', '%S+') do
  redis.call('DEL', K.log .. host .. ':' .. id)
  forget_fetched(host, id)
end
if record[5] then
  -- the key's window may have passed, and the key may belong to a newer job
  if owner and string.find(owner, '|' .. id .. '|', 1, true) then redis.call('DEL', K.idem .. record[5]) end
end
if record[7] then redis.call('DEL', K.alias .. record[7]) end
if record[10] then leave_job(id, record[10], 0) end
if record[9] and reporter == id then redis.call('DEL', K.reported .. record[9]) end
if record[8] and holder == id then redis.call('DEL', K.exclusive .. record[8]) end
if record[8] and record[1] == 'completed' then
  -- the reference time for the next run must outlive the record of the last one
  local is_read, document = pcall(cjson.decode, text)
  local data = is_read and type(document) == 'table' and document.data
  local reference = type(data) == 'table' and data.referenceTime
  if type(reference) == 'string' and reference > known then
    redis.call('HSET', K.reached, record[8], reference)
  end
end
redis.call('ZREM', K.finished, id)
for _, key in ipairs({K.deadlines, K.outside, K.opening, K.cancelling}) do redis.call('ZREM', key, id) end
redis.call('DEL', job, K.doc .. id, K.slots .. id, K.driver_report .. id)
return is_broadcast and 'removing' or 'deleted'
