-- Searches a part of the audit trail for entries that contain a text, newest first.
-- KEYS: none
-- ARGV: 1 id of the first entry, or '+', 2 how many entries to search, 3 the text
-- returns: {id of the last entry that was searched, or '' if none follow, then the entries that contain it, each {id, {field, value, ...}}}
local rows = redis.call('XREVRANGE', K.audit, ARGV[1], '-', 'COUNT', ARGV[2])
local answer = {#rows == tonumber(ARGV[2]) and rows[#rows][1] or ''}
for _, row in ipairs(rows) do
  local fields = row[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'entry' and string.find(fields[i + 1], ARGV[3], 1, true) then answer[#answer + 1] = row end
  end
end
return answer
