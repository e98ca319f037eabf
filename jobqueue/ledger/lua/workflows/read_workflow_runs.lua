-- Lists runs of workflows, newest first.
-- KEYS: none
-- ARGV: 1 name of the workflow, '' for the runs of all, 2 most runs, 3 the time of creation before which the list begins or ''
-- returns: {how many runs there are, {id, workflow, version and who started it, status, created, ended or ''}...}
local list = K.workflow_runs .. ARGV[1]
local begin = ARGV[3] == '' and '+inf' or '(' .. ARGV[3]
local found = {redis.call('ZCARD', list)}
for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', list, begin, '-inf', 'LIMIT', 0, ARGV[2])) do
  local key = K.workflow_run .. id
  local known = is_sound('hash', key) and redis.call('HMGET', key, 'workflow', 'about', 'status', 'created', 'ended') or {}
  if known[4] then found[#found + 1] = {id, known[1] or '', known[2] or '', known[3] or '', known[4], known[5] or ''} end
end
return found
