-- Raises an alert and counts it, or lists the newest alerts.
-- include: clock notice raise_alert
-- KEYS: none
-- ARGV: 1 now, 2 the kind, which is a counter too, or '' to read, 3 id of the job or '', 4 hostname or '', 5 what happened,
--   6 how often
-- returns: {"time|JSON", ...}, at most a hundred, newest first; nothing when raising an alert
if ARGV[2] ~= '' then
  raise_alert(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6] or 1, clock(ARGV[1]))
  return {}
end
return redis.call('LRANGE', K.alerts, 0, 99)
