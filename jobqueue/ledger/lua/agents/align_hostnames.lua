-- Takes one step of making the list of hostnames in alphabetical order equal to the list of agents, after an upgrade or
-- damage: adds what is missing, then removes what is too much.
-- KEYS: none
-- ARGV: 1 'add' or 'remove', 2 cursor of the step before or '0', 3 how many to look at, about
-- returns: cursor of the next step, '0' after the last one
local from, to = K.agents, K.hostnames
if ARGV[1] == 'remove' then from, to = to, from end
local step = redis.call('ZSCAN', from, ARGV[2], 'COUNT', ARGV[3])
for i = 1, #step[2], 2 do
  local host = step[2][i]
  if not redis.call('ZSCORE', to, host) then
    if ARGV[1] == 'remove' then redis.call('ZREM', from, host) else redis.call('ZADD', to, 0, host) end
  end
end
return step[1]
