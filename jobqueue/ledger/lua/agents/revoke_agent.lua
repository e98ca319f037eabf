-- Revokes an agent: it gets no work, and its certificates are no longer valid.
-- include: clock agent_state audit_trail made_before takers
-- KEYS: none
-- ARGV: 1 now, 2 hostname, 3 the API's signed word,
--   4 how many entries the audit trail keeps, 5 seal of the entry for it, 6 that entry or ''
-- returns: {'revoked', number and link of the entry} | {'unknown'} | {'pending'} (not accepted yet)
--   | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('revoked', ARGV[5], ARGV[6])
if repeated then return repeated end
local at = clock(ARGV[1])
local host = ARGV[2]
local state = redis.call('HGET', K.agent .. host, 'state')
if not state then return {'unknown'} end
if state == 'Pending' then return {'pending'} end
need('hash', K.revoked)
need('set', K.barred, K.away)
local is_entered, number, link = entered(ARGV[4], ARGV[5], ARGV[6])
if not is_entered then return {'unrecorded', number} end
-- revoking again advances the time, which an operator who is unsure wants
redis.call('HSET', K.revoked, host, ARGV[3])
redis.call('SADD', K.barred, host)
redis.call('SADD', K.away, host)
stand_down(host)
redis.call('SREM', K.joining, host)
redis.call('HDEL', K.agent .. host, 'certificate')
if state ~= 'Revoked' then set_agent_state(host, 'Revoked', at) end
return {'revoked', number, link}
