-- Creates or moves an external run as its driver reports, through the same table of transitions as every job. Skipped
-- steps are filled in.
-- include: clock next_time events notice status index advance<batches,rollout> concurrency settle transition
-- KEYS: none
-- ARGV: 1 now, 2 the driver's name of the run, 3 id of the job if it is new, 4 its document, 5 its operation, 6 its slot,
--   7 its tags ("key:value" lines) or '', 8 hostname of the driver or '', 9 its word for the state,
--   10 words that it may have said before (lines), 11 the execution's state by that word, or '' to leave it,
--   12 note: the error, or the reason, or '', 13 '1' if the word means that the run is being cancelled or '',
--   14 whose driver reports it: names of different owners are apart; '' for the service itself, whose name is an alias,
--   15 groups that list it (lines) or '',
--   then pairs: field, its reported value as JSON
-- returns: {'accepted', id} | {'repeated', id} (it has ended, and all this was reported before) | {'final', id}
--   | {'illegal', id, the word before} | {'not_external', id}
local at = clock(ARGV[1])
local name, slot, host, word, wanted = ARGV[2], ARGV[6], ARGV[8], ARGV[9], ARGV[11]
local NEXT = {submitted = 'acknowledged', acknowledged = 'started'}

local owner, groups = ARGV[14], ARGV[15]
local reported = owner ~= '' and owner .. ':' .. name
local id = redis.call('GET', reported and K.reported .. reported or K.alias .. name)
if not id then
  local named = reported and redis.call('GET', K.alias .. name)
  if redis.call('EXISTS', K.job .. name) == 1 then
    if reported then return {'not_external', name} end -- the id of a job names only that job
    id = name
  elseif named and redis.call('HEXISTS', K.job .. named, 'groups') == 1 then
    return {'not_external', named} -- the service started this run; any other job may have the same name
  end
end
local known = id and redis.call('HMGET', K.job .. id, 'status', 'outside', 'host', 'created')
if known and not known[2] then return {'not_external', id} end

local fields = {}
for i = 16, #ARGV do fields[#fields + 1] = ARGV[i] end
if known and FINAL[known[1]] then
  local is_same = known[2] == word
  for i = 1, #fields, 2 do is_same = is_same and redis.call('HGET', K.driver_report .. id, fields[i]) == fields[i + 1] end
  return {is_same and 'repeated' or 'final', id}
end
if known then
  local is_allowed = false
  for before in string.gmatch(ARGV[10], '[^\n]+') do is_allowed = is_allowed or before == known[2] end
  if not is_allowed then return {'illegal', id, known[2]} end
end

if not known then new_job = ARGV[3] else need('hash', K.driver_report .. id, K.exec .. slot .. ':' .. id) end
local job
if known then
  job = K.job .. id
  if host ~= '' and host ~= known[3] then
    change_host(id, known[4], known[1], known[3], host)
    redis.call('HSET', job, 'host', host)
  end
else
  id = ARGV[3]
  job = K.job .. id
  local created = int(tick(at))
  redis.call('SET', K.doc .. id, ARGV[4])
  redis.call('SET', reported and K.reported .. reported or K.alias .. name, id)
  redis.call('HSET', job, 'status', 'submitted', 'created', created, 'updated', created, 'op', ARGV[5],
    'target', slot, 'prio', '4', 'n.submitted', '1', 'events', '1', 'last', created, 'e1', created .. '|submitted|_api|',
    'slot', slot, reported and 'reported' or 'alias', reported or name)
  if ARGV[7] ~= '' then redis.call('HSET', job, 'tags', ARGV[7]) end
  if groups ~= '' then redis.call('HSET', job, 'groups', groups) end
  if host ~= '' then redis.call('HSET', job, 'host', host) end
  redis.call('HSET', K.exec .. slot .. ':' .. id, 'state', 'submitted', 'attempt', '0', 'last', created)
  enter_indexes(id, created)
  count(K.measured, 'submitted|' .. ARGV[5], 1)
  announce(id, 'submitted', created, 'submitted', '_api')
end

for i = 1, #fields, 2 do redis.call('HSET', K.driver_report .. id, fields[i], fields[i + 1]) end
local updated = redis.call('HGET', job, 'updated')
redis.call('HSET', job, 'outside', word, 'updated', int(math.max(at, num(updated))))
if ARGV[13] ~= '' and not redis.call('HGET', job, 'cancel') then redis.call('HSET', job, 'cancel', int(at)) end

local state = redis.call('HGET', K.exec .. slot .. ':' .. id, 'state')
local steps = {}
while wanted ~= '' and state ~= wanted do
  state = ALLOWED[state][wanted] and wanted or NEXT[state]
  steps[#steps + 1] = {state, state, state == wanted and ARGV[12] or nil}
  if state == 'started' then redis.call('HSET', K.exec .. slot .. ':' .. id, 'attempt', '1') end
end
local who = host ~= '' and host or known and known[3] or slot
if #steps > 0 then
  transition(id, slot, at, who, steps)
  store_measured()
elseif known and word ~= known[2] then
  -- the ledger has no separate state for this word
  announce(id, known[1], append_event(job, at, 'reported', who, word), 'reported', who, word)
end
if FINAL_STATES[state] then
  redis.call('ZREM', K.outside, id)
else
  redis.call('ZADD', K.outside, int(at), id)
end
return {'accepted', id}
