-- Accepts an agent, or rejects its invitation. An invitation that the agent used before is invalid after a revocation.
-- include: audit_trail made_before
-- KEYS: none
-- ARGV: 1 hostname, 2 id of its key, 3 the certificate, or '' to say no, 4 number of the invitation that is used up or '',
--   5 milliseconds to remember that, 6 how many entries the audit trail keeps, 7 seal of the entry for it, 8 that entry or ''
-- returns: {'certified', number and link of the entry} | {'refused'} | {'unknown'} | {'used'} (another agent came with
--   the invitation) | {'unrecorded', why} (the entry cannot be written, so nothing was done)
local repeated = made_before('certified', ARGV[7], ARGV[8])
if repeated then return repeated end
local host, key = ARGV[1], ARGV[2]
need('hash', K.agent .. host, K.certificates)
need('set', K.barred)
if ARGV[4] ~= '' then need('string', K.invite .. ARGV[4]) end
if redis.call('EXISTS', K.agent .. host) == 0 or ARGV[3] == '' then
  redis.call('SREM', K.joining, host)
  return {ARGV[3] == '' and 'refused' or 'unknown'}
end
if ARGV[4] ~= '' then
  local used = redis.call('GET', K.invite .. ARGV[4])
  if used and (used ~= host .. ' ' .. key or redis.call('SISMEMBER', K.barred, host) == 1) then
    redis.call('SREM', K.joining, host)
    return {'used'}
  end
end
local is_entered, number, link = entered(ARGV[6], ARGV[7], ARGV[8])
if not is_entered then return {'unrecorded', number} end
redis.call('SREM', K.joining, host)
if ARGV[4] ~= '' then redis.call('SET', K.invite .. ARGV[4], host .. ' ' .. key, 'PX', ARGV[5]) end
redis.call('SREM', K.barred, host) -- it takes no work until it registers with this certificate
redis.call('HSET', K.certificates, key, ARGV[3])
redis.call('HSET', K.agent .. host, 'certificate', ARGV[3])
return {'certified', number, link}
