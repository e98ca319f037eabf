-- Appends one entry to the audit trail. It gets the next number, and a link made of the link before and its own seal.
-- Returns its number, as text, and its link.
local function append_entry(keep, seal, entry)
  local head = redis.call('HMGET', K.audit_head, 'number', 'link')
  local number, before = tonumber(head[1] or '0'), head[2] or ''
  if not number or number ~= number or math.abs(number) > 9e15 then -- somebody else wrote there, which a look through the trail shows; it goes on all the same
    local newest = redis.call('XREVRANGE', K.audit, '+', '-', 'COUNT', 1)
    number = newest[1] and tonumber(string.match(newest[1][1], '%d+$')) or 0
  end
  local name = string.format('%.0f', number + 1)
  local link = redis.sha1hex(before .. '|' .. name .. '|' .. seal)
  redis.call('XADD', K.audit, 'MAXLEN', '~', keep, '0-' .. name, 'seal', seal, 'before', before, 'link', link,
    'entry', entry)
  redis.call('HSET', K.audit_head, 'number', name, 'link', link)
  return name, link
end
