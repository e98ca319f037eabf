-- Counts the jobs in each index.
-- KEYS: none
-- ARGV: 1 number of dimensions, then the dimensions, then the statuses
-- returns: for each dimension and, within it, each status: the number of jobs
local count, sizes = tonumber(ARGV[1]), {}
for dim = 2, count + 1 do
  for status = count + 2, #ARGV do
    sizes[#sizes + 1] = redis.call('ZCARD', K.index .. ARGV[dim] .. '|' .. ARGV[status])
  end
end
return sizes
