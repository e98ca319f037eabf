-- Admits a principal's request, or returns how long it must wait (token bucket: rate and burst).
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 digest of the principal, 3 microseconds that one request costs, 4 burst size
-- returns: microseconds to wait, 0 if the request may pass
local now = clock(ARGV[1])
local key, step = K.pace .. ARGV[2], tonumber(ARGV[3])
-- one number is enough: the time at which all admitted requests will have been paid for
local paid = math.max(num(redis.call('GET', key)), now) + step
local wait = paid - now - step * tonumber(ARGV[4])
if wait > 0 then return math.ceil(wait) end
redis.call('SET', key, int(paid), 'PX', math.ceil((paid - now) / 1000) + 1)
return 0
