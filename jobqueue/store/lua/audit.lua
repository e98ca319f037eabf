-- Appends entries to the audit trail. Each gets the next number, and a link made of the link before and its own seal.
-- KEYS: none
-- ARGV: 1 how many entries to keep, then pairs: seal of an entry (hex), the entry
-- returns: number of the newest entry, its link
local head = redis.call('HMGET', K.audit_head, 'number', 'link')
local number, link = tonumber(head[1] or '0'), head[2] or ''
if not number or number ~= number or math.abs(number) > 9e15 then -- somebody else wrote there, which a look through the trail shows; it goes on all the same
  local newest = redis.call('XREVRANGE', K.audit, '+', '-', 'COUNT', 1)
  number = newest[1] and tonumber(string.match(newest[1][1], '%d+$')) or 0
end
for i = 2, #ARGV, 2 do
  number = number + 1
  local before = link
  local name = string.format('%.0f', number)
  link = redis.sha1hex(before .. '|' .. name .. '|' .. ARGV[i])
  redis.call('XADD', K.audit, 'MAXLEN', '~', ARGV[1], '0-' .. name, 'seal', ARGV[i], 'before', before, 'link', link,
    'entry', ARGV[i + 1])
end
redis.call('HSET', K.audit_head, 'number', string.format('%.0f', number), 'link', link)
return {string.format('%.0f', number), link}
