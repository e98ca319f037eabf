-- A time that no earlier tick had and that never runs backwards, whatever the machine's clock does: jobs and messages
-- are put in order by it. Needs: clock.
local function tick(at)
  local last = num(redis.call('GET', K.clock))
  -- years ahead no clock of ours can have been
  if last > at + 315360000000000 then last = 0 end
  local time = math.max(at, last + 1)
  redis.call('SET', K.clock, int(time))
  return time
end
