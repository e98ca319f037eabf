-- Removes the events before a reader's position, unless that is no entry: it may be of a stream that was replaced, and later
-- than entries that no reader has read.
local function remove_passed(stream, position)
  if #redis.call('XRANGE', stream, position, position) == 1 then redis.call('XTRIM', stream, 'MINID', position) end
end
