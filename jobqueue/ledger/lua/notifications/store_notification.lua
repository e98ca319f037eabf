-- Creates, replaces or deletes a notification rule, unless it changed since the caller read it. The first rule creates the
-- streams of events, the last one deletes those that nothing else reads.
-- include: clock audit_trail made_before
-- KEYS: none
-- ARGV: 1 now, 2 its name, 3 its serial number as the caller has seen it or '' if there was none, 4 the rule as sealed JSON or ''
--   to delete it, 5 its new serial number, 6 how many rules there may be, 7 how many entries the audit trail keeps, 8 seal of
--   the entry for it, 9 that entry or ''
-- returns: {'done', number and link of the entry} | {'exists'} | {'unknown'} | {'changed'} (by a concurrent caller) | {'full'}
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[8], ARGV[9])
if repeated then return repeated end
local name = ARGV[2]
local key = K.notification .. name
local serial = redis.call('HGET', key, 'serial') or ''
if serial ~= ARGV[3] then return {serial == '' and 'unknown' or ARGV[3] == '' and 'exists' or 'changed'} end
if ARGV[4] ~= '' and serial == '' and redis.call('ZCARD', K.notifications) >= tonumber(ARGV[6]) then return {'full'} end
local is_entered, number, link = entered(ARGV[7], ARGV[8], ARGV[9])
if not is_entered then return {'unrecorded', number} end
if ARGV[4] == '' then
  redis.call('DEL', key, K.notification_log .. name, K.dead_letters .. name)
  redis.call('ZREM', K.notifications, name)
  if redis.call('ZCARD', K.notifications) == 0 then
    redis.call('DEL', K.notices)
    if redis.call('EXISTS', K.followed) == 0 then redis.call('DEL', K.job_notices) end
  end
  return {'done', number, link}
end
redis.call('HSET', key, 'record', ARGV[4], 'serial', ARGV[5])
redis.call('ZADD', K.notifications, 0, name)
local begins = {}
for i, stream in ipairs({K.job_notices, K.notices}) do
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  begins[i] = newest and newest[1] or begin_stream(stream, int(clock(ARGV[1])))
end
if serial == '' then redis.call('HSET', key, 'job_cursor', begins[1], 'cursor', begins[2], 'attempts', 0) end
return {'done', number, link}
