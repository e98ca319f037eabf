-- Checks whether the audit trail can be written.
-- include: audit_trail
-- KEYS: none
-- ARGV: none
-- returns: '' | what keeps it from being written
return trail_trouble() or ''
