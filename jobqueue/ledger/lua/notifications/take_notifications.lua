-- Lets the one API process that delivers notifications do so: it holds a short lease. Removes events that all rules have
-- passed.
-- include: clock lease remove_passed
-- KEYS: none
-- ARGV: 1 now, 2 the caller, 3 length of the lease in ms (0: release it), 4 id of an entry of job_notices or '', 5 of notices
--   or '': what is before them is removed
-- returns: {} (another process delivers) | {now, newest id of job_notices or '', of notices or '', {name of a rule...}}
local function is_before(one, other)
  local time, number = string.match(one, '^(%d+)-(%d+)$')
  local other_time, other_number = string.match(other, '^(%d+)-(%d+)$')
  if not time or not other_time then return false end
  return num(time) < num(other_time) or (time == other_time and num(number) < num(other_number))
end
if not hold_lease(K.notifier, ARGV[2], ARGV[3]) then return {} end
local newest, passed = {}, {ARGV[4], ARGV[5]}
-- schedules that follow jobs may not be as far
local followed = redis.call('GET', K.followed)
if followed and passed[1] ~= '' and is_before(followed, passed[1]) then passed[1] = followed end
for i, stream in ipairs({K.job_notices, K.notices}) do
  if passed[i] ~= '' then remove_passed(stream, passed[i]) end
  local entry = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  newest[i] = entry and entry[1] or ''
end
return {int(clock(ARGV[1])), newest[1], newest[2], redis.call('ZRANGE', K.notifications, 0, -1)}
