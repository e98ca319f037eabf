-- Resolves a name to a job id: an alias, a job's own id, or the name of a reported run.
-- KEYS: none
-- ARGV: 1 the name, 2 whose driver reports it, or '' for an alias or an id
-- returns: id of the job | false
local id
if ARGV[2] ~= '' then
  id = redis.call('GET', K.reported .. ARGV[2] .. ':' .. ARGV[1])
else
  id = redis.call('GET', K.alias .. ARGV[1]) or ARGV[1]
end
return id and redis.call('EXISTS', K.job .. id) == 1 and id
