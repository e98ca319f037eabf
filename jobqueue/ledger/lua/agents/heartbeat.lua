-- Records an agent's heartbeat.
-- include: clock agent_state announce_agent<notice,raise_alert,takers,agent_lists>
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 boot id, 4 microseconds it counts as live, 5 vitals as JSON, 6 executions that run,
--   7 the registration again, with fresh facts, or '', 8 the state in which the agent believed to be when it counted
-- returns: {the agent's state, how many agents there are (0: our user may not know)} | 'replaced' (another process took the hostname over) | 'unknown' (register first)
local at = clock(ARGV[1])
local host, agent = ARGV[2], K.agent .. ARGV[2]
local boot, state, left, is_apart, registered = unpack(redis.call('HMGET', agent, 'boot', 'state', 'left', 'apart', 'registered'))
if not boot then return 'unknown' end
if boot ~= ARGV[3] then return 'replaced' end
-- a heartbeat that was in flight when the agent left does not make it live again
local is_here, live_until = left ~= boot, int(at + tonumber(ARGV[4]))
local fields = {'beat', int(at), 'vitals', ARGV[5], 'running', ARGV[6]}
if is_here then fields[7], fields[8] = 'until', live_until end
redis.call('HSET', agent, unpack(fields))
if ARGV[7] ~= '' then redis.call('HSET', agent, 'info', ARGV[7]) end
-- only a count taken after the agent knew that it drains proves that no new work has started since
if state == 'Draining' and ARGV[8] == 'Draining' and ARGV[6] == '0' then
  state = set_agent_state(host, 'Cordoned', at)
end

-- Renews the agent in the shared lists; false if they need more than that, or its user may not write them.
local function is_renewed()
  if is_apart or tonumber(ARGV[4]) > LONGEST_LIFE then return false end
  local may = redis.pcall('SISMEMBER', K.joining, host)
  if type(may) == 'table' and may.err then return false end
  local listed = redis.call('HMGET', K.roster .. host, 'registered', 'profile')
  if not registered or listed[1] ~= registered or not listed[2] then return false end
  if redis.call('EXISTS', K.noted .. host) == 1 then return false end
  redis.call('ZADD', K.agents, live_until, host)
  return redis.call('ZADD', K.takers .. listed[2], 'XX', 'CH', live_until, host) == 1
end
if is_here and not is_renewed() then
  announce_agent(host, at)
  state = redis.call('HGET', agent, 'state')
end
local size = redis.pcall('ZCARD', K.agents)
return {state, type(size) == 'number' and size or 0}
