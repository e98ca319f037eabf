-- Appends entries to the audit trail.
-- include: audit_trail made_before
-- KEYS: none
-- ARGV: 1 how many entries to keep, then pairs: seal of an entry (hex), the entry
-- returns: number of the newest entry, its link
local repeated = made_before('done', ARGV[#ARGV - 1], ARGV[#ARGV])
if repeated then return {repeated[2], repeated[3]} end
return {append_entries(ARGV[1], ARGV, 2, #ARGV)}
