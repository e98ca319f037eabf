-- What keeps the audit trail from being written, or nil. Whoever can write to Redis can put another kind of key in its
-- place, or an entry behind which no next one can be added (the last possible id); ids that are deleted stay used.
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
      -- the head is looked at by the next entry, which goes on behind the newest one
      if not last or tonumber(last) > 9e15 or (number and tonumber(last) > number) then
        return 'an entry ' .. info[i + 1] .. ' was written that is none of the API\'s'
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
  -- somebody else wrote there, which a look through the trail shows; it goes on all the same
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

-- The entry that belongs to a change: it is written before the change, in the same step, or the change is not made.
-- `entry` '' is for changes that nobody asked for. Returns whether the change may be made, and the number and the link;
-- or false, and why the entry cannot be written.
local function entered(keep, seal, entry)
  if (entry or '') == '' then return true end
  local is_written, number, link = pcall(append_entries, keep, {seal, entry}, 1, 2)
  if is_written then return true, number, link end
  return false, type(number) == 'table' and number.err or tostring(number)
end
