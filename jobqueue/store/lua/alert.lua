-- Notes something that nobody should see happen, and counts it; or reads what was noted.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 the counter, or '' to read, 3 what happened, as JSON, 4 how often
-- returns: {"time|JSON", ...}, at most a hundred, the newest first; nothing to those who note: agents may not read them
if ARGV[2] ~= '' then
  count(K.stats, ARGV[2], ARGV[4] or 1)
  redis.call('LPUSH', K.alerts, int(clock(ARGV[1])) .. '|' .. ARGV[3])
  redis.call('LTRIM', K.alerts, 0, 99)
  return {}
end
return redis.call('LRANGE', K.alerts, 0, 99)
