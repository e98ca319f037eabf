-- The API accepts an agent, or says no to the invitation that it came with.
-- KEYS: none
-- ARGV: 1 hostname, 2 id of its key, 3 the certificate, or '' to say no, 4 number of the invitation that is used up or '',
--   5 milliseconds to remember that. An invitation that it came with before counts no more once it was revoked.
-- returns: 'certified' | 'refused' | 'unknown' | 'used' (another agent came with the invitation)
local host, key = ARGV[1], ARGV[2]
need('hash', K.agent .. host, K.certificates)
need('set', K.barred)
if ARGV[4] ~= '' then need('string', K.invite .. ARGV[4]) end
redis.call('SREM', K.joining, host)
if redis.call('EXISTS', K.agent .. host) == 0 then return 'unknown' end
if ARGV[3] == '' then return 'refused' end
if ARGV[4] ~= '' then
  local used = redis.call('GET', K.invite .. ARGV[4])
  if used and (used ~= host .. ' ' .. key or redis.call('SISMEMBER', K.barred, host) == 1) then return 'used' end
  redis.call('SET', K.invite .. ARGV[4], host .. ' ' .. key, 'PX', ARGV[5])
end
redis.call('SREM', K.barred, host) -- it stays away until it registers with this certificate
redis.call('HSET', K.certificates, key, ARGV[3])
redis.call('HSET', K.agent .. host, 'certificate', ARGV[3])
return 'certified'
