-- Stores or deletes the record of an object, unless it changed since the caller read it. The content of a new version is
-- kept until it is released; released content is kept as long as an unused package, for jobs that wait.
-- include: clock audit_trail made_before
-- KEYS: none
-- ARGV: 1 now, 2 name, 3 its sealed record as the caller has seen it or '' if there was none, 4 its new record or '' to
--   delete it, 5 bytes of all its versions, 6 how many objects there may be, 7 the package with the content of a new
--   version or '', 8 names of packages to release, one a line, 9 how long they are kept from now on in microseconds,
--   10 how many entries the audit trail keeps, 11 seal of the entry for it, 12 that entry or ''
-- returns: {'done', number and link of the entry} | {'changed'} (by a concurrent caller) | {'full'}
--   | {'gone'} (the content is no longer stored)
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[11], ARGV[12])
if repeated then return repeated end
local at = clock(ARGV[1])
local name, record = ARGV[2], K.object .. ARGV[2]
if (redis.call('GET', record) or '') ~= ARGV[3] then return {'changed'} end
if ARGV[4] ~= '' and ARGV[3] == '' and redis.call('ZCARD', K.object_names) >= tonumber(ARGV[6]) then return {'full'} end
if ARGV[7] ~= '' and redis.call('EXISTS', K.package .. ARGV[7]) == 0 then return {'gone'} end
need('hash', K.object_sizes)
need('zset', K.object_names, K.packages)
local is_entered, number, link = entered(ARGV[10], ARGV[11], ARGV[12])
if not is_entered then return {'unrecorded', number} end
if ARGV[7] ~= '' then redis.call('HSET', K.package .. ARGV[7], 'kept', '8000000000000000') end
local kept = int(at + tonumber(ARGV[9]))
for package in string.gmatch(ARGV[8], '[^\n]+') do
  if redis.call('EXISTS', K.package .. package) == 1 then
    redis.call('HSET', K.package .. package, 'kept', kept)
    redis.call('ZADD', K.packages, kept, package)
  end
end
if ARGV[4] == '' then
  redis.call('DEL', record)
  redis.call('ZREM', K.object_names, name)
  redis.call('HDEL', K.object_sizes, name)
else
  redis.call('SET', record, ARGV[4])
  redis.call('ZADD', K.object_names, 0, name)
  redis.call('HSET', K.object_sizes, name, ARGV[5])
end
return {'done', number, link}
