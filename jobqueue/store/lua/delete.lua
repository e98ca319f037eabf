-- Removes a final job and everything of it.
-- include: clock index
-- KEYS: none
-- ARGV: 1 job id
-- returns: 'deleted' | 'running' | 'unknown'
local id = ARGV[1]
local job = K.job .. id
local record = redis.call('HMGET', job, 'status', 'created', 'slot', 'fanout', 'key', 'logs', 'alias', 'exclusive',
  'reported')
if not record[1] or not FINAL[record[1]] then
  -- an index that says it has ended is wrong, and must not hold up those behind it; what runs gets there at its end
  redis.call('ZREM', K.finished, id)
  return record[1] and 'running' or 'unknown'
end
reindex(id, record[2], record[1], nil)
local slots = record[4] and redis.call('LRANGE', K.slots .. id, 0, -1) or {record[3] or nil}
for _, slot in ipairs(slots) do
  redis.call('DEL', K.exec .. slot .. ':' .. id, K.out .. slot .. ':' .. id, K.log .. slot .. ':' .. id)
end
for host in string.gmatch(record[6] or '', '%S+') do redis.call('DEL', K.log .. host .. ':' .. id) end
if record[5] then
  -- the key may have passed its window and belong to a newer job by now
  local owner = redis.call('GET', K.idem .. record[5])
  if owner and string.find(owner, '|' .. id .. '|', 1, true) then redis.call('DEL', K.idem .. record[5]) end
end
if record[7] then redis.call('DEL', K.alias .. record[7]) end
if record[9] and redis.call('GET', K.reported .. record[9]) == id then redis.call('DEL', K.reported .. record[9]) end
if record[8] and redis.call('GET', K.exclusive .. record[8]) == id then redis.call('DEL', K.exclusive .. record[8]) end
if record[8] and record[1] == 'completed' then
  -- what a next run begins behind must outlive the record of the last one
  local is_read, document = pcall(cjson.decode, redis.call('GET', K.doc .. id) or '')
  local data = is_read and type(document) == 'table' and document.data
  local reference = type(data) == 'table' and data.referenceTime
  if type(reference) == 'string' and reference > (redis.call('HGET', K.reached, record[8]) or '') then
    redis.call('HSET', K.reached, record[8], reference)
  end
end
redis.call('ZREM', K.finished, id)
redis.call('ZREM', K.deadlines, id)
redis.call('DEL', job, K.doc .. id, K.slots .. id, K.told .. id)
return 'deleted'
