-- Appends entries to the audit trail. Each gets the next number, and a link made of the link before and its own seal.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 how many entries to keep, then pairs: seal of an entry (hex), the entry
-- returns: number of the newest entry, its link
local at = clock(ARGV[1])
local head = redis.call('HMGET', K.audit_head, 'number', 'link')
local number, link = tonumber(head[1] or '0'), head[2] or ''
for i = 3, #ARGV, 2 do
  number = number + 1
  local before = link
  link = redis.sha1hex(before .. '|' .. int(number) .. '|' .. int(at) .. '|' .. ARGV[i])
  redis.call('XADD', K.audit, 'MAXLEN', '~', ARGV[2], '0-' .. int(number), 'at', int(at), 'seal', ARGV[i],
    'before', before, 'link', link, 'entry', ARGV[i + 1])
end
redis.call('HSET', K.audit_head, 'number', int(number), 'link', link)
return {int(number), link}
