-- Reads the endings of jobs after the cursor of the schedules that follow jobs and the runs of workflows, oldest first, with
-- the names of these schedules, and workflow-run|{run} of a run.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 most events
-- returns: {} (nothing follows jobs) | {the cursor, the cursor after the events that were read, '1' if events after the
--   cursor may have been removed or '0', {id of the event, job, its status, name...} of each that is followed...}
local cursor = redis.call('GET', K.followed)
if not cursor then return {} end
-- an agent's user may empty a stream that it may add to
if redis.call('XLEN', K.job_notices) == 0 then begin_stream(K.job_notices, int(clock(ARGV[1]))) end
local is_held = #redis.call('XRANGE', K.job_notices, cursor, cursor) == 1
local is_newer = is_held or #redis.call('XRANGE', K.job_notices, cursor, '+', 'COUNT', 1) == 1
local found = {cursor, cursor, is_held and '0' or '1'}
for _, entry in ipairs(redis.call('XRANGE', K.job_notices, is_newer and '(' .. cursor or '-', '+', 'COUNT', ARGV[2])) do
  found[2] = entry[1]
  local job, status = string.match(entry[2][2] or '', '^ended|%d+|([^|]+)|([%a_]+)$')
  local lists = job and is_sound('hash', K.job .. job) and redis.call('HGET', K.job .. job, 'groups')
  if lists then
    local one = {entry[1], job, status}
    for list in string.gmatch(lists, '[^\n]+') do
      if string.find(list, '^workflow%-run|') then one[#one + 1] = list end
      for _, name in ipairs(redis.call('ZRANGE', K.followers .. list, 0, -1)) do one[#one + 1] = name end
    end
    if #one > 3 then found[#found + 1] = one end
  end
end
return found
