-- Adds a piece to an upload; the first piece begins it. Pieces come in order; a repeated piece changes nothing.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 upload, 3 number of the piece, 4 its bytes, 5 how much all packages may take in bytes, 6 how long the upload
--   may wait for its next piece, in ms
-- returns: 'staged' | 'full' (nothing was added) | 'gone' (it waited too long, or its earlier pieces were lost)
local upload, number, size = ARGV[2], tonumber(ARGV[3]), string.len(ARGV[4])
local data = K.upload .. upload
local have = redis.call('HLEN', data)
if have ~= number and have ~= number + 1 then return 'gone' end
if have == number then
  local all = num(redis.call('HGET', K.bulk, 'all'))
  if all + size > tonumber(ARGV[5]) then return 'full' end
  redis.call('HSET', data, ARGV[3], ARGV[4])
  count(K.bulk, 'all', size)
  count(K.bulk, upload, size)
end
redis.call('ZADD', K.uploads, int(clock(ARGV[1]) + tonumber(ARGV[6]) * 1000), upload)
redis.call('PEXPIRE', data, ARGV[6]) -- also expires without maintenance
return 'staged'
