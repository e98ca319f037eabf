-- Removes a record whose job or execution does not exist.
-- KEYS: none
-- ARGV: 1 the key, 2 job id, 3 slot or '', 4 '1' to remove or ''
-- returns: 1 if the record is orphaned, else 0
local job = redis.call('HMGET', K.job .. ARGV[2], 'slot', 'fanout', 'logs')
local is_there = job[1] or job[2]
if is_there and ARGV[3] ~= '' then
  is_there = job[1] == ARGV[3]
  for host in string.gmatch(job[3] or '', '%S+') do is_there = is_there or host == ARGV[3] end
  if job[2] and redis.call('LPOS', K.slots .. ARGV[2], ARGV[3]) then is_there = true end
end
-- `remove_executions` has not come to it yet
if not is_there and ARGV[3] ~= '' then is_there = redis.call('ZSCORE', K.removals, ARGV[2]) end
if is_there or redis.call('EXISTS', ARGV[1]) == 0 then return 0 end
if ARGV[4] == '1' then redis.call('UNLINK', ARGV[1]) end
return 1
