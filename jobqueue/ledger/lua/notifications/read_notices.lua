-- Reads the events after the cursors of a rule, oldest first, from both streams.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 cursor of job_notices, 3 cursor of notices, 4 most entries of each
-- returns: {per stream '1' or '0': the cursor's own entry is still there, so nothing after it was removed, {id, text}... of
--   job_notices, {id, text}... of notices, newest id of each}; a stream without entries gets one
local found, cursors = {}, {ARGV[2], ARGV[3]}
for i, stream in ipairs({K.job_notices, K.notices}) do
  local cursor = cursors[i]
  -- an agent's user may empty a stream that it may add to
  if redis.call('XLEN', stream) == 0 then begin_stream(stream, int(clock(ARGV[1]))) end
  local is_held = #redis.call('XRANGE', stream, cursor, cursor) == 1
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1][1]
  -- a stream that replaced a damaged one may have begun before the cursor
  local is_newer = is_held or #redis.call('XRANGE', stream, cursor, '+', 'COUNT', 1) == 1
  local entries = {}
  for _, entry in ipairs(redis.call('XRANGE', stream, is_newer and '(' .. cursor or '-', '+', 'COUNT', ARGV[4])) do
    entries[#entries + 1] = {entry[1], entry[2][2] or ''}
  end
  found[i] = is_held and '1' or '0'
  found[2 + i] = entries
  found[4 + i] = newest
end
return found
