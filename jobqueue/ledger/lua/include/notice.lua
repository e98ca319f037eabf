-- Notes an event for the notification rules. The streams exist only while there are rules: without them this adds nothing.
-- `stream`: `job_notices`, which agents may write to, or `notices`. Needs: clock.
local function notice(stream, kind, at, subject, detail)
  redis.call('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', KEPT_NOTICES, '*',
    'v', kind .. '|' .. int(at) .. '|' .. subject .. '|' .. detail)
end
