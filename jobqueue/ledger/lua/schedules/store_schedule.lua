-- Creates, replaces or deletes a schedule, unless it changed since the caller read it.
-- include: clock notice schedule follow audit_trail made_before
-- KEYS: none
-- ARGV: 1 now, 2 its name, 3 its serial number as the caller has seen it or '' if there was none, 4 the schedule as sealed
--   JSON or '' to delete it, 5 its new serial number, 6 its next time, '' for none or '=' to keep it, 7 when that fires,
--   8 the list of the jobs that it follows or '', 9 how many schedules there may be, 10 how many entries the audit trail keeps,
--   11 seal of the entry for it, 12 that entry or ''
-- returns: {'done', number and link of the entry} | {'exists'} | {'unknown'} | {'changed'} (by a concurrent caller) | {'full'}
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[11], ARGV[12])
if repeated then return repeated end
local name = ARGV[2]
local key = K.schedule .. name
local serial = redis.call('HGET', key, 'serial') or ''
if serial ~= ARGV[3] then return {serial == '' and 'unknown' or ARGV[3] == '' and 'exists' or 'changed'} end
if ARGV[4] ~= '' and serial == '' and redis.call('ZCARD', K.schedules) >= tonumber(ARGV[9]) then return {'full'} end
local is_entered, number, link = entered(ARGV[10], ARGV[11], ARGV[12])
if not is_entered then return {'unrecorded', number} end
local at = clock(ARGV[1])
follow(name, ARGV[8], at)
if ARGV[4] == '' then
  redis.call('DEL', key, K.schedule_log .. name)
  for _, names in ipairs({K.schedules, K.schedules_due, K.schedules_planned}) do redis.call('ZREM', names, name) end
  return {'done', number, link}
end
redis.call('HSET', key, 'record', ARGV[4], 'serial', ARGV[5])
redis.call('ZADD', K.schedules, 0, name)
if ARGV[6] ~= '=' then plan(name, ARGV[6], ARGV[7], at) end
return {'done', number, link}
