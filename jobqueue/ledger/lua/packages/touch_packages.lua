-- Looks up packages and extends the time that they are kept.
-- include: clock package
-- KEYS: none
-- ARGV: 1 now, 2 how long they are kept from now on in microseconds, 3 '1' to extend it in their records too, which
--   agents cannot write, or '', then the names
-- returns: per name: size, sha256, time of storing, time until which it is kept, upload, seal | {} if it is unknown
local keep = int(clock(ARGV[1]) + tonumber(ARGV[2]))
local found = {}
for i = 4, #ARGV do
  if redis.call('EXISTS', K.package .. ARGV[i]) == 1 then
    redis.call('ZADD', K.packages, 'GT', keep, ARGV[i])
    if ARGV[3] == '1' and num(redis.call('HGET', K.package .. ARGV[i], 'kept')) < tonumber(keep) then
      redis.call('HSET', K.package .. ARGV[i], 'kept', keep)
    end
  end
  found[#found + 1] = package_record(ARGV[i])
end
return found
