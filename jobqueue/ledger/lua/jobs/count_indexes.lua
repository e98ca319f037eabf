-- Counts the jobs in each index.
-- KEYS: none
-- ARGV: 1.. indexes ("op:node.load.get|completed")
-- returns: the number of jobs in each
local sizes = {}
for i = 1, #ARGV do sizes[i] = redis.call('ZCARD', K.index .. ARGV[i]) end
return sizes
