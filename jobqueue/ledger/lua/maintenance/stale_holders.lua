-- Finds holders of a concurrency key that have ended, or do not exist.
-- include: clock concurrency
-- KEYS: none
-- ARGV: 1 now, 2 the key, 3 '1' to remove them or ''
-- returns: members
local at, key, found = clock(ARGV[1]), ARGV[2], {}
local is_each = string.sub(key, 1, 2) == '{}'
for _, member in ipairs(redis.call('ZRANGE', K.holders .. key, 0, 999)) do
  if not is_holder(member, at, key, is_each, at) then found[#found + 1] = member end
end
for _, member in ipairs(ARGV[3] == '1' and found or {}) do leave_key(key, member, at) end
return found
