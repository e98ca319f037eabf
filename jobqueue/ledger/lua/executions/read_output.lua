-- Reads the output of an execution after a byte offset, in bounded size: an agent's user can append entries of any size.
-- include: record_size
-- KEYS: none
-- ARGV: 1 job id, 2 hostname, 3 offset, 4 maximum of entries, 5 of bytes in them, if there are several, 6 of bytes in one
-- returns: {{id, {field, value, ...}}, ...}; {id, {'left', bytes}} for an entry that is too large
local key = K.log .. ARGV[2] .. ':' .. ARGV[1]
local most, left = tonumber(ARGV[5]), tonumber(ARGV[4])
-- an entry's size is known once it is here; if all of them are small, many can be here at once
local step = takes_more(key, MOST_BYTES) and 1 or 100
local from, bytes, kept = '(' .. ARGV[3] .. '-0', 0, {}
repeat
  local entries = redis.call('XRANGE', key, from, '+', 'COUNT', math.min(step, left))
  for _, entry in ipairs(entries) do
    local size = 0
    for _, text in ipairs(entry[2]) do size = size + #text end
    bytes = bytes + size
    if kept[1] and bytes > most then return kept end
    kept[#kept + 1] = size > tonumber(ARGV[6]) and {entry[1], {'left', size}} or entry
    from = '(' .. entry[1]
  end
  left = left - #entries
until left <= 0 or #entries < step
return kept
