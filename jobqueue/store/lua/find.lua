-- Which job a caller means by a name: an alias, or a job's own id.
-- KEYS: none
-- ARGV: 1 the name
-- returns: id of the job | false
local id = redis.call('GET', K.alias .. ARGV[1]) or ARGV[1]
return redis.call('EXISTS', K.job .. id) == 1 and id
