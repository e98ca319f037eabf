-- Records an agent's alert in the agent's own list; maintenance moves it to the shared one.
-- include: clock agent_state notice raise_alert takers agent_lists
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 the alert as JSON: kind, job_id, message, count
-- returns: 1
need('hash', K.agent .. ARGV[2])
redis.call('LPUSH', K.noted .. ARGV[2], ARGV[3])
redis.call('LTRIM', K.noted .. ARGV[2], 0, 19)
announce_agent(ARGV[2], clock(ARGV[1]))
return 1
