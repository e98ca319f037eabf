-- A time that no earlier tick had and that never runs backwards, whatever the machine's clock does: jobs and messages
-- are put in order by it. Needs: clock.
local function tick(at)
  local time = math.max(at, tonumber(redis.call('GET', K.clock) or 0) + 1)
  redis.call('SET', K.clock, int(time))
  return time
end
