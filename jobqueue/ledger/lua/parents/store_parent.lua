-- Stores, replaces or deletes the record of a parent (a job that spans cells), unless it changed since the caller read
-- it, or its idempotency key belongs to an earlier parent.
-- include: clock audit_trail made_before
-- KEYS: none
-- ARGV: 1 now, 2 id, 3 its sealed record as the caller has seen it or '' if there was none, 4 its new record or '' to
--   delete it, 5 microseconds from now on until it is looked at again or '' if nothing is left to do, 6 milliseconds for
--   which the record is kept or '' for ever, 7 idempotency key or '', 8 milliseconds for which the key is kept, 9 cells
--   that have not confirmed their parts, 10 the other cells of its parts (a name a line), 11 how many entries the audit
--   trail keeps, 12 seal of the entry for it, 13 that entry or ''
-- returns: {'done', number and link of the entry} | {'changed'} (by a concurrent caller) | {'replayed', id}
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[12], ARGV[13])
if repeated then return repeated end
local at = clock(ARGV[1])
local id, record = ARGV[2], K.parent .. ARGV[2]
if ARGV[3] == '' and ARGV[7] ~= '' then
  local first = redis.call('GET', K.parent_key .. ARGV[7])
  if first and redis.call('EXISTS', K.parent .. first) == 1 then return {'replayed', first} end
end
if (redis.call('GET', record) or '') ~= ARGV[3] then return {'changed'} end
need('zset', K.parents_due, K.parts_pending)
local is_entered, number, link = entered(ARGV[11], ARGV[12], ARGV[13])
if not is_entered then return {'unrecorded', number} end
for cell in string.gmatch(ARGV[10], '[^\n]+') do redis.call('ZREM', K.parts_pending, cell .. '|' .. id) end
for cell in string.gmatch(ARGV[9], '[^\n]+') do
  if ARGV[4] == '' then
    redis.call('ZREM', K.parts_pending, cell .. '|' .. id)
  else
    redis.call('ZADD', K.parts_pending, 0, cell .. '|' .. id)
  end
end
if ARGV[4] == '' then
  redis.call('DEL', record)
  redis.call('ZREM', K.parents_due, id)
  if ARGV[7] ~= '' then redis.call('DEL', K.parent_key .. ARGV[7]) end
  return {'done', number, link}
end
if ARGV[6] == '' then
  redis.call('SET', record, ARGV[4])
else
  redis.call('SET', record, ARGV[4], 'PX', ARGV[6])
end
if ARGV[5] == '' then
  redis.call('ZREM', K.parents_due, id)
else
  redis.call('ZADD', K.parents_due, int(at + tonumber(ARGV[5])), id)
end
if ARGV[3] == '' and ARGV[7] ~= '' then redis.call('SET', K.parent_key .. ARGV[7], id, 'PX', ARGV[8]) end
return {'done', number, link}
