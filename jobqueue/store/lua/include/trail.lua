-- Appends entries to the audit trail: `entries` are pairs of a seal and the entry, in the places `first` to `last`. Each
-- gets the next number, and a link made of the link before and its own seal. Returns the newest entry's number, as text,
-- and its link.
local function append_entries(keep, entries, first, last)
  local head = redis.call('HMGET', K.audit_head, 'number', 'link')
  local number, link = tonumber(head[1] or '0'), head[2] or ''
  if not number or number ~= number or math.abs(number) > 9e15 then -- somebody else wrote there, which a look through the trail shows; it goes on all the same
    local newest = redis.call('XREVRANGE', K.audit, '+', '-', 'COUNT', 1)
    number = newest[1] and tonumber(string.match(newest[1][1], '%d+$')) or 0
  end
  local name
  for i = first, last, 2 do
    local before = link
    number = number + 1
    name = string.format('%.0f', number)
    link = redis.sha1hex(before .. '|' .. name .. '|' .. entries[i])
    redis.call('XADD', K.audit, 'MAXLEN', '~', keep, '0-' .. name, 'seal', entries[i], 'before', before, 'link', link,
      'entry', entries[i + 1])
  end
  redis.call('HSET', K.audit_head, 'number', name, 'link', link)
  return name, link
end
