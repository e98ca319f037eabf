-- Counts a login attempt unless too many have failed; a successful one is subtracted afterwards.
-- KEYS: none
-- ARGV: 1 'take' or 'give', 2 milliseconds after which the first failure is forgotten, then pairs: a digest, how many
--   failures it may have
-- returns: milliseconds until the next attempt is allowed, 0 for now
if ARGV[1] == 'give' then
  for i = 3, #ARGV, 2 do
    local key = K.failures .. ARGV[i]
    if tonumber(redis.call('GET', key) or '0') > 0 then redis.call('DECR', key) end
  end
  return 0
end
for i = 3, #ARGV, 2 do
  local key = K.failures .. ARGV[i]
  if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[i + 1]) then
    return math.max(1, redis.call('PTTL', key))
  end
end
for i = 3, #ARGV, 2 do
  local key = K.failures .. ARGV[i]
  if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[2]) end
end
return 0
