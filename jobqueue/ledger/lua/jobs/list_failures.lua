-- Lists the failed executions of jobs that ended after a time, the newest jobs first. What it examines is bounded, in jobs
-- and in executions.
-- include: clock record_size
-- KEYS: none
-- ARGV: 1 the time in microseconds, 2 now: nothing can have ended later, 3 how many jobs at most, 4 how many executions at
--   most
-- returns: {'1' if all of them were examined, {id, end, operation, title or '', number of its failed executions, {hostname, last
--   event, ...}}...}
local NAMES = {'op', 'title', 'slot', 'fanout'}
local LABELS = #NAMES
for state in pairs(FAILURES) do NAMES[#NAMES + 1] = 'n.' .. state end
local most, left = tonumber(ARGV[3]), tonumber(ARGV[4])
local ended = redis.call('ZREVRANGEBYSCORE', K.finished, int(clock(ARGV[2])), '(' .. ARGV[1], 'WITHSCORES', 'LIMIT', 0, most + 1)
local found = {#ended <= 2 * most and '1' or '0'}

-- The failed executions among the first of a job that fit into what is left to examine.
local function failures_of(id, slots)
  local failed = {}
  for _, slot in ipairs(slots) do
    if left == 0 then found[1] = '0' break end
    left = left - 1
    local exec = K.exec .. slot .. ':' .. id
    local record = is_sound('hash', exec) and not is_large(exec) and redis.call('HMGET', exec, 'state', 'events') or {}
    if FAILURES[record[1]] then
      failed[#failed + 1] = slot
      failed[#failed + 1] = redis.call('HGET', exec, 'e' .. int(num(record[2]))) or ''
    end
  end
  return failed
end

for i = 1, math.min(#ended, 2 * most), 2 do
  local id = ended[i]
  local job = K.job .. id
  local record = is_sound('hash', job) and not is_large(job) and redis.call('HMGET', job, unpack(NAMES)) or {}
  local failed = 0
  for field = LABELS + 1, #NAMES do failed = failed + num(record[field]) end
  if failed > 0 then
    local slots = {record[3] or nil}
    if record[4] then
      slots = is_sound('list', K.slots .. id) and redis.call('LRANGE', K.slots .. id, 0, left) or {}
    end
    found[#found + 1] = {id, ended[i + 1], record[1] or '?', record[2] or '', failed, failures_of(id, slots)}
  end
end
return found
