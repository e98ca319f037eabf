-- Repairs an audit trail that cannot be written, in bounded steps: sets the damaged key aside, copies its entries to a
-- new stream, and appends an entry that marks the break.
-- include: audit_trail
-- KEYS: none
-- ARGV: 1 how many entries to keep, 2 number of the newest entry that is the API's, or 0, 3 its link or '',
--   4 seal of the break, 5 the break, 6 how many entries to move at most
-- returns: {'whole'} (the trail is intact) | {'more'} (call again) | {'repaired', number of the break, its link}
local function kind_of(name)
  local kind = redis.call('TYPE', name)
  return type(kind) == 'table' and kind.ok or kind
end

if not trail_trouble() then return {'whole'} end
if kind_of(K.audit_head) ~= 'hash' then redis.call('DEL', K.audit_head) end
if kind_of(K.audit_spoiled) ~= 'stream' then
  redis.call('DEL', K.audit_spoiled)
  if kind_of(K.audit) == 'stream' then
    redis.call('RENAME', K.audit, K.audit_spoiled)
  else
    redis.call('DEL', K.audit) -- it holds no entries of the trail
  end
end
local most = tonumber(ARGV[6])
local rows = redis.call('XRANGE', K.audit_spoiled, '0-1', '0-' .. ARGV[2], 'COUNT', most)
for _, row in ipairs(rows) do
  redis.call('XADD', K.audit, row[1], unpack(row[2]))
end
if #rows == most then
  local next_one = tonumber(string.match(rows[most][1], '%d+$')) + 1
  redis.call('XTRIM', K.audit_spoiled, 'MINID', '0-' .. string.format('%.0f', next_one))
  return {'more'}
end
redis.call('DEL', K.audit_spoiled)
redis.call('HSET', K.audit_head, 'number', ARGV[2], 'link', ARGV[3])
local number, link = append_entries(ARGV[1], {ARGV[4], ARGV[5]}, 1, 2)
redis.call('HSET', K.audit_head, 'broken', number)
return {'repaired', number, link}
