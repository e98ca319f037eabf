-- Stores or deletes a saved job together with its versions, unless it changed since the caller read it.
-- include: audit_trail made_before
-- KEYS: none
-- ARGV: 1 name, 2 its sealed text as the caller has seen it or '' if there was none, 3 its new sealed text or '' to delete it,
--   4 how many saved jobs there may be, 5 how many versions to keep,
--   6 how many entries the audit trail keeps, 7 seal of the entry for it, 8 that entry or ''
-- returns: {'done', number and link of the entry} | {'changed'} (by a concurrent caller) | {'full'}
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[7], ARGV[8])
if repeated then return repeated end
local record, versions = K.saved .. ARGV[1], K.saved_versions .. ARGV[1]
if (redis.call('GET', record) or '') ~= ARGV[2] then return {'changed'} end
if ARGV[3] ~= '' and ARGV[2] == '' and redis.call('ZCARD', K.saved_names) >= tonumber(ARGV[4]) then return {'full'} end
local is_entered, number, link = entered(ARGV[6], ARGV[7], ARGV[8])
if not is_entered then return {'unrecorded', number} end
if ARGV[3] == '' then
  redis.call('DEL', record, versions)
  redis.call('ZREM', K.saved_names, ARGV[1])
  return {'done', number, link}
end
redis.call('SET', record, ARGV[3])
redis.call('LPUSH', versions, ARGV[3])
redis.call('LTRIM', versions, 0, tonumber(ARGV[5]) - 1)
redis.call('ZADD', K.saved_names, 0, ARGV[1])
return {'done', number, link}
