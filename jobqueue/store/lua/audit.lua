-- Appends entries to the audit trail.
-- include: trail
-- KEYS: none
-- ARGV: 1 how many entries to keep, then pairs: seal of an entry (hex), the entry
-- returns: number of the newest entry, its link
local number, link
for i = 2, #ARGV, 2 do number, link = append_entry(ARGV[1], ARGV[i], ARGV[i + 1]) end
return {number, link}
