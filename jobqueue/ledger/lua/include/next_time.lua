-- The newest tick, 0 for what is none: years ahead no clock of ours can have been. Needs: clock.
local function ticked(at)
  local last = num(redis.call('GET', K.clock))
  return last <= at + 315360000000000 and last or 0
end

-- A time that no earlier tick had and that never runs backwards, whatever the machine's clock does: jobs and messages
-- are put in order by it. Needs: clock.
local function tick(at)
  local time = math.max(at, ticked(at) + 1)
  redis.call('SET', K.clock, int(time))
  return time
end
