-- Discards an incomplete upload.
-- include: clock upload
-- KEYS: none
-- ARGV: 1 upload
-- returns: 1
-- An upload that has become a package meanwhile is not affected.
if redis.call('ZSCORE', K.uploads, ARGV[1]) then forget_upload(ARGV[1]) end
return 1
