-- Stores an alert. The list keeps the newest hundred, and at most twenty of one kind from one host, so that one host
-- cannot push out the alerts about another. Needs: clock notice.
local function raise_alert(kind, job_id, host, message, times, at)
  count(K.stats, kind, times)
  local alike = {}
  for _, line in ipairs(redis.call('LRANGE', K.alerts, 0, -1)) do
    local is_read, alert = pcall(cjson.decode, string.match(line, '|(.*)') or '')
    if is_read and type(alert) == 'table' and alert.kind == kind and alert.hostname == host then alike[#alike + 1] = line end
  end
  for i = 20, #alike do redis.call('LREM', K.alerts, -1, alike[i]) end
  redis.call('LPUSH', K.alerts, int(at) .. '|' .. cjson.encode({
    kind = kind, job_id = job_id, hostname = host, message = message}))
  redis.call('LTRIM', K.alerts, 0, 99)
  notice(K.notices, 'alert', at, kind, cjson.encode({job_id = job_id, hostname = host, message = message}))
end
