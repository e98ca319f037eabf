-- Records an agent's heartbeat.
-- include: clock agent_state raise_alert takers agent_lists
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 boot id, 4 microseconds it counts as live, 5 vitals as JSON, 6 executions that run,
--   7 the registration again, with fresh facts, or '', 8 the state in which the agent believed to be when it counted
-- returns: {the agent's state, how many agents there are (0: our user may not know)} | 'replaced' (another process took the hostname over) | 'unknown' (register first)
local at = clock(ARGV[1])
local agent = K.agent .. ARGV[2]
local boot = redis.call('HGET', agent, 'boot')
if not boot then return 'unknown' end
if boot ~= ARGV[3] then return 'replaced' end
redis.call('HSET', agent, 'beat', int(at), 'vitals', ARGV[5], 'running', ARGV[6])
local state = redis.call('HGET', agent, 'state')
-- only a count taken after the agent knew that it drains proves that no new work has started since
if state == 'Draining' and ARGV[8] == 'Draining' and ARGV[6] == '0' then
  state = set_agent_state(ARGV[2], 'Cordoned', at)
end
if ARGV[7] ~= '' then redis.call('HSET', agent, 'info', ARGV[7]) end
-- a heartbeat that was in flight when the agent left does not make it live again
if redis.call('HGET', agent, 'left') ~= boot then
  redis.call('HSET', agent, 'until', int(at + tonumber(ARGV[4])))
  announce_agent(ARGV[2], at)
end
local size = redis.pcall('ZCARD', K.agents)
return {redis.call('HGET', agent, 'state'), type(size) == 'number' and size or 0}
