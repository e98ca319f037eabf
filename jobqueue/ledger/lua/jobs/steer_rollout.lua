-- Pauses, resumes, approves or aborts a rollout.
-- include: clock events notice status index batches rollout concurrency settle end_held audit_trail made_before
-- KEYS: none
-- ARGV: 1 now, 2 job id, 3 'pause', 'resume', 'approve' or 'abort', 4 who asked,
--   5 how many entries the audit trail keeps, 6 seal of the entry for it, 7 that entry or ''
-- returns: {'done', number and link of the entry} | {'unknown'} | {'final'} | {'no_rollout'} | {'all_open'} (nothing is held)
--   | {'paused'} | {'running'} (not paused) | {'not_awaiting'} (no batch waits for an approval)
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('done', ARGV[6], ARGV[7])
if repeated then return repeated end
local at, id, verb, who = clock(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local job = K.job .. id
local fields = {'status', 'created', 'updated', 'op', 'rollout', 'opened', 'gate', 'opens', 'rest', 'paused', 'awaits'}
local before = #fields
for _, state in ipairs(STATES) do fields[#fields + 1] = 'n.' .. state end
local record = redis.call('HMGET', job, unpack(fields))
if not record[1] then return {'unknown'} end
if FINAL[record[1]] then return {'final'} end
if not record[5] then return {'no_rollout'} end
local counts, hosts = {unpack(record, before + 1, before + #STATES)}, 0
for i = 1, #STATES do hosts = hosts + num(counts[i]) end
local opened, gate, paused = num(record[6]), num(record[7]), record[10]
if record[9] or opened >= hosts then return {'all_open'} end
if verb == 'approve' and paused then return {'paused'} end
if verb == 'approve' and not record[11] then return {'not_awaiting'} end
if verb == 'pause' and paused then return {'paused'} end
if verb == 'resume' and not paused then return {'running'} end

local is_entered, number, link = entered(ARGV[5], ARGV[6], ARGV[7])
if not is_entered then return {'unrecorded', number} end

local EVENT = {pause = 'paused', resume = 'resumed', approve = 'approved', abort = 'aborted'}
local time = append_event(job, at, EVENT[verb], '_api', who)
if verb == 'abort' then
  redis.call('HSET', job, 'stopped', int(at) .. '|aborted ' .. who)
  redis.call('HDEL', job, 'paused', 'awaits')
  local status = end_held(id, at, 'cancelled', 'the rollout was aborted ' .. who)
  announce(id, status, time, EVENT[verb], '_api', who)
  return {'done', number, link}
end
if verb == 'pause' then
  redis.call('HSET', job, 'paused', int(at))
  redis.call('ZADD', K.opening, PAUSED, id)
elseif verb == 'approve' then
  local terms = terms_of(record[5])
  if terms then raise_gate(id, at, terms, gate, hosts) else redis.call('ZADD', K.opening, int(at), id) end
else
  redis.call('HDEL', job, 'paused')
  if opened < gate then
    redis.call('ZADD', K.opening, int(math.max(at, num(record[8]))), id)
  elseif record[11] then
    redis.call('ZADD', K.opening, AWAITING, id)
  else
    redis.call('ZADD', K.opening, RUNNING, id)
    advance(id, at, counts, record[4])
  end
end
local status = settle(id, at, counts, {record[1], record[2], record[3]}, true)
announce(id, status, time, EVENT[verb], '_api', who)
return {'done', number, link}
