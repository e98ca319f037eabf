-- Checks whether the audit trail can be written.
-- include: audit_trail
-- KEYS: none
-- ARGV: none
-- returns: '' | why the trail cannot be written
return trail_trouble() or ''
