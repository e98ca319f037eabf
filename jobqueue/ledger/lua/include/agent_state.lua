-- Moves an agent to a state and records it in the agent's own timeline, which keeps the newest hundred steps. One that takes
-- work again has no reason for its draining any more.
local function set_agent_state(host, state, at)
  redis.call('HSET', K.agent .. host, 'state', state)
  if state == 'Ready' then redis.call('HDEL', K.agent .. host, 'drain_reason') end
  redis.call('RPUSH', K.agent_log .. host, int(at) .. '|' .. state)
  redis.call('LTRIM', K.agent_log .. host, -100, -1)
  return state
end

local LONGEST_LIFE = 3600000000 -- the longest time, in microseconds, for which one heartbeat may count
