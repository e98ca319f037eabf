-- Why the audit trail cannot be written, or nil. An attacker with write access to Redis can replace it by a key of
-- another type, or add an entry with the last possible id, after which none can be added; deleted ids stay used.
local function trail_trouble()
  for _, name in ipairs({K.audit, K.audit_head}) do
    local kind = redis.call('TYPE', name)
    kind = type(kind) == 'table' and kind.ok or kind
    if kind ~= 'none' and kind ~= (name == K.audit and 'stream' or 'hash') then
      return 'the key ' .. name .. ' holds a ' .. kind
    end
  end
  if redis.call('EXISTS', K.audit_spoiled) == 1 then return 'it is being repaired' end
  if redis.call('EXISTS', K.audit) == 0 then return nil end
  local number = tonumber(redis.call('HGET', K.audit_head, 'number') or '0')
  local about = 'STREAM'
  local info = redis.call('XINFO', about, K.audit)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      local last = string.match(info[i + 1], '^0%-(%d+)$')
      -- the next entry checks the head, and continues after the newest entry
      if not last or tonumber(last) > 9e15 or (number and tonumber(last) > number) then
        return 'an entry ' .. info[i + 1] .. ' was not written by the API'
      end
    end
  end
  return nil
end

-- Appends entries to the audit trail: `entries` are pairs of a seal and the entry, in the places `first` to `last`. Each
-- gets the next number, and a link made of the link before and its own seal. Returns the newest entry's number, as text,
-- and its link; an error if the trail cannot be written, before anything is.
local function append_entries(keep, entries, first, last)
  local head = redis.call('HMGET', K.audit_head, 'number', 'link')
  local number, link = tonumber(head[1] or '0'), head[2] or ''
  -- a foreign entry, which a verification of the trail reports; the trail continues regardless
  if not number or number ~= number or math.abs(number) > 9e15 then
    local newest = redis.call('XREVRANGE', K.audit, '+', '-', 'COUNT', 1)
    number = newest[1] and tonumber(string.match(newest[1][1], '%d+$')) or 0
  end
  if redis.call('EXISTS', K.audit_spoiled) == 1 then return error({err = 'ERR the audit trail is being repaired'}) end
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

-- The entry that belongs to a change: written before the change, in the same step; without it the change is not made.
-- An empty `entry` is for changes without a request. Returns true and the entry's number and link if the change may be
-- made, or false and why the entry cannot be written.
local function entered(keep, seal, entry)
  if (entry or '') == '' then return true end
  local is_written, number, link = pcall(append_entries, keep, {seal, entry}, 1, 2)
  if is_written then return true, number, link end
  return false, type(number) == 'table' and number.err or tostring(number)
end
