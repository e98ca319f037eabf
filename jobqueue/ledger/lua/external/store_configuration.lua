-- Creates, replaces or deletes a configuration, with the history of its changes.
-- include: clock audit_trail made_before
-- KEYS: none
-- ARGV: 1 now, 2 id, 3 'create', 'replace' or 'delete', 4 the configuration as JSON or '', 5 who,
--   6 how many of the newest notes to keep, 7 name that a run of it holds while it has not ended,
--   8 how many entries the audit trail keeps, 9 seal of the entry for it, 10 that entry or ''
-- returns: {'done', number and link of the entry} | {'taken'} | {'unknown'} | {'busy', id of the job}
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[9], ARGV[10])
if repeated then return repeated end
local at = clock(ARGV[1])
local id, verb = ARGV[2], ARGV[3]
local exists = redis.call('EXISTS', K.config .. id) == 1
if verb == 'create' and exists then return {'taken'} end
if verb ~= 'create' and not exists then return {'unknown'} end
if verb == 'delete' then
  local holder = redis.call('GET', K.exclusive .. ARGV[7])
  local status = holder and redis.call('HGET', K.job .. holder, 'status')
  if status and not FINAL[status] then return {'busy', holder} end
end
local is_entered, number, link = entered(ARGV[8], ARGV[9], ARGV[10])
if not is_entered then return {'unrecorded', number} end
if verb == 'delete' then
  redis.call('DEL', K.config .. id, K.config_log .. id)
  redis.call('ZREM', K.configs, id)
  redis.call('HDEL', K.reached, ARGV[7])
  return {'done', number, link}
end
redis.call('SET', K.config .. id, ARGV[4])
redis.call('RPUSH', K.config_log .. id, int(at) .. '|' .. ARGV[5])
redis.call('LTRIM', K.config_log .. id, -tonumber(ARGV[6]), -1)
redis.call('ZADD', K.configs, 0, id)
return {'done', number, link}
