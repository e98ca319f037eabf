-- Stores a new run of a workflow, or the next state of one, unless it changed since the caller read it. While a run
-- has not ended, the ends of its jobs are passed on to it.
-- include: clock next_time notice schedule fire follow audit_trail made_before
-- KEYS: none
-- ARGV: 1 now, 2 id of the run, 3 its serial number as the caller has seen it or '' if it is new, 4 its new serial number,
--   5 the record as sealed JSON or '' to keep it, 6 its progress, JSON, 7 its status, 8 who cancelled it and when or '',
--   9 microseconds until it is examined again, or those at which it ended with a '=' before them, 10 name of the workflow,
--   11 version and who started the run, 12 names of nodes that begin again (a name a line), 13 the time of a schedule that
--   a new run is for (include/fire.lua) or '', 14 how many entries the audit trail keeps, 15 seal of the entry for it,
--   16 that entry or ''
-- returns: {'done', number and link of the entry} | {'exists'} | {'unknown'} | {'changed'} (by a concurrent caller)
--   | {'unscheduled'} (the schedule changed, or this time was already processed)
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[15], ARGV[16])
if repeated then return repeated end
local id, workflow, ended = ARGV[2], ARGV[10], string.match(ARGV[9], '^=(%d+)$')
local key = K.workflow_run .. id
local known = redis.call('HMGET', key, 'serial', 'status')
local serial = known[1] or ''
local at, fire = clock(ARGV[1]), ARGV[13] ~= '' and {fire = ARGV[13], id = id}
if serial ~= '' and ARGV[3] == '' and fire and not BESIDE[fire_of(ARGV[13])] then
  note_fire(fire, at) -- a time that comes again after the clock went back
end
if serial ~= ARGV[3] then return {serial == '' and 'unknown' or ARGV[3] == '' and 'exists' or 'changed'} end
need('zset', K.workflow_runs, K.workflow_runs .. workflow, K.workflow_runs_due, K.workflow_runs_ended, K.following)
if fire and not may_fire(ARGV[13]) then return {'unscheduled'} end
local is_entered, number, link = entered(ARGV[14], ARGV[15], ARGV[16])
if not is_entered then return {'unrecorded', number} end
redis.call('HSET', key, 'serial', ARGV[4], 'progress', ARGV[6], 'status', ARGV[7], 'updated', int(at))
if ARGV[5] ~= '' then redis.call('HSET', key, 'record', ARGV[5], 'workflow', workflow, 'about', ARGV[11]) end
if ARGV[8] == '' then redis.call('HDEL', key, 'cancelled') else redis.call('HSET', key, 'cancelled', ARGV[8]) end
for node in string.gmatch(ARGV[12], '[^\n]+') do redis.call('HDEL', key, 'job|' .. node, 'started|' .. node) end
if serial == '' then
  local created = int(tick(at)) -- unique, so that a page's cursor is a single number
  redis.call('HSET', key, 'created', created)
  for _, list in ipairs({'', workflow}) do redis.call('ZADD', K.workflow_runs .. list, created, id) end
  if fire then note_fire(fire, at) end
end
if ended then
  redis.call('ZREM', K.workflow_runs_due, id)
  redis.call('HSET', key, 'ended', ended)
  redis.call('ZADD', K.workflow_runs_ended, int(at), id)
  stop_following('workflow-run|' .. id)
  count(K.measured, 'workflow|' .. ARGV[7], '1')
  notice(K.notices, 'workflow', at, workflow, ARGV[7] .. '|' .. id)
else
  redis.call('HDEL', key, 'ended')
  redis.call('ZREM', K.workflow_runs_ended, id)
  redis.call('ZADD', K.workflow_runs_due, int(at + tonumber(ARGV[9])), id)
  start_following('workflow-run|' .. id, at)
end
return {'done', number, link}
