-- Stores or deletes a saved job or a workflow together with its versions, unless it changed since the caller read it.
-- include: audit_trail made_before
-- KEYS: none
-- ARGV: 1 'saved' or 'workflow', 2 name, 3 its sealed text as the caller has seen it or '' if there was none, 4 its new sealed
--   text or '' to delete it, 5 how many of its kind there may be, 6 how many versions to keep,
--   7 how many entries the audit trail keeps, 8 seal of the entry for it, 9 that entry or ''
-- returns: {'done', number and link of the entry} | {'changed'} (by a concurrent caller) | {'full'}
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[8], ARGV[9])
if repeated then return repeated end
local name = ARGV[2]
local keys = ARGV[1] == 'saved' and {K.saved, K.saved_versions, K.saved_names}
  or {K.workflow, K.workflow_versions, K.workflow_names}
local record, versions, names = keys[1] .. name, keys[2] .. name, keys[3]
if (redis.call('GET', record) or '') ~= ARGV[3] then return {'changed'} end
if ARGV[4] ~= '' and ARGV[3] == '' and redis.call('ZCARD', names) >= tonumber(ARGV[5]) then return {'full'} end
local is_entered, number, link = entered(ARGV[7], ARGV[8], ARGV[9])
if not is_entered then return {'unrecorded', number} end
if ARGV[4] == '' then
  redis.call('DEL', record, versions)
  redis.call('ZREM', names, name)
  return {'done', number, link}
end
redis.call('SET', record, ARGV[4])
redis.call('LPUSH', versions, ARGV[4])
redis.call('LTRIM', versions, 0, tonumber(ARGV[6]) - 1)
redis.call('ZADD', names, 0, name)
return {'done', number, link}
