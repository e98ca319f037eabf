-- Creates, replaces or deletes the record of a key, user, role, stored target or acknowledgement, unless it changed since
-- the caller read it.
-- include: audit_trail made_before
-- KEYS: none
-- ARGV: 1 'credentials', 'roles', 'targets' or 'acknowledged', 2 name of the record, 3 its text as the caller has seen it
--   or '' if there was none, 4 its new text or '' to delete it, 5 how many records there may be,
--   6 how many entries the audit trail keeps, 7 seal of the entry for it, 8 that entry or ''
-- returns: {'done', number and link of the entry} | {'changed'} (by a concurrent caller) | {'full'}
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local records = ({credentials = K.credentials, roles = K.roles, targets = K.targets,
  acknowledged = K.acknowledged})[ARGV[1]]
local repeated = made_before('done', ARGV[7], ARGV[8])
if repeated then return repeated end
local name = ARGV[2]
if (redis.call('HGET', records, name) or '') ~= ARGV[3] then return {'changed'} end
if ARGV[4] ~= '' and ARGV[3] == '' and redis.call('HLEN', records) >= tonumber(ARGV[5]) then return {'full'} end
local is_entered, number, link = entered(ARGV[6], ARGV[7], ARGV[8])
if not is_entered then return {'unrecorded', number} end
if ARGV[4] == '' then
  redis.call('HDEL', records, name)
  if ARGV[1] == 'credentials' then redis.call('HDEL', K.used, name) end
  return {'done', number, link}
end
redis.call('HSET', records, name, ARGV[4])
return {'done', number, link}
