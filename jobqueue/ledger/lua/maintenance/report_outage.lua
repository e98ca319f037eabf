-- Raises the one alert about an outage of many agents, updates it, or ends it.
-- include: clock notice
-- KEYS: none
-- ARGV: 1 time at which the outage began, or '' to end it, 2 kind of the alert or '', 3 the message
-- returns: 'raised' | 'updated' | 'ended' | 'none' (there was none to end)
local outage = redis.call('GET', K.outage) or ''
local began, line = string.match(outage, '^(%d+)|(.*)$')
if ARGV[1] == '' and not began then
  redis.call('DEL', K.outage)
  return 'none'
end
local kind = ARGV[2]
if began then
  redis.call('LREM', K.alerts, 1, line)
  local is_read, alert = pcall(cjson.decode, string.match(line, '|(.*)') or '')
  if kind == '' and is_read and type(alert) == 'table' then kind = tostring(alert.kind) end
end
local new = int(num(ARGV[1] ~= '' and ARGV[1] or began)) .. '|' .. cjson.encode({
  kind = kind, job_id = '', hostname = '', message = ARGV[3]})
redis.call('LPUSH', K.alerts, new)
redis.call('LTRIM', K.alerts, 0, 99)
if ARGV[1] == '' then
  redis.call('DEL', K.outage)
  notice(K.notices, 'outage', clock(''), 'ended', ARGV[3])
  return 'ended'
end
redis.call('SET', K.outage, ARGV[1] .. '|' .. new)
if not began then
  count(K.stats, kind, 1)
  notice(K.notices, 'outage', clock(''), 'raised', ARGV[3])
end
return began and 'updated' or 'raised'
