-- Deletes a final job with all of its records.
-- include: clock index slots
-- KEYS: none
-- ARGV: 1 job id, 2 '1' to delete it in any state and even if its record is damaged, or ''
-- returns: 'deleted' | 'running' | 'unknown'
local id = ARGV[1]
local job = K.job .. id
local forced = ARGV[2] == '1'
if forced and type_of(job) ~= 'hash' then redis.call('DEL', job) end
for _, key in ipairs({K.doc .. id, K.slots .. id}) do
  if forced and type_of(key) ~= (key == K.doc .. id and 'string' or 'list') then redis.call('DEL', key) end
end
local record = redis.call('HMGET', job, 'status', 'created', 'slot', 'fanout', 'key', 'logs', 'alias', 'exclusive',
  'reported', 'opened')
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
local slots = recorded_slots(id, record[3], record[4], not forced and record[10])
for _, status in ipairs(forced and STATUSES or {record[1]}) do reindex(id, record[2], status, nil) end
for _, slot in ipairs(slots) do
  if record[4] then redis.call('ZREM', broadcasts_of(slot), id) end
  if forced then
    redis.call('ZREM', K.waiting .. slot, id)
    for _, key in ipairs({K.due, K.leases}) do redis.call('ZREM', key, id .. ':' .. slot) end
  end
  redis.call('DEL', K.exec .. slot .. ':' .. id, K.out .. slot .. ':' .. id, K.log .. slot .. ':' .. id)
end
for host in string.gmatch(record[6] or '', '%S+') do redis.call('DEL', K.log .. host .. ':' .. id) end
if record[5] then
  -- the key's window may have passed, and the key may belong to a newer job
  if owner and string.find(owner, '|' .. id .. '|', 1, true) then redis.call('DEL', K.idem .. record[5]) end
end
if record[7] then redis.call('DEL', K.alias .. record[7]) end
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
for _, key in ipairs({K.deadlines, K.outside, K.opening}) do redis.call('ZREM', key, id) end
redis.call('DEL', job, K.doc .. id, K.slots .. id, K.told .. id)
return 'deleted'
