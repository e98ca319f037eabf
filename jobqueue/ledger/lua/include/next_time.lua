-- The newest tick; 0 if it is implausible (years ahead of the clock). Needs: clock.
local function ticked(at)
  local last = num(redis.call('GET', K.clock))
  return last <= at + 315360000000000 and last or 0
end

-- A unique time that never runs backwards, even if the machine's clock does: jobs and messages are ordered by it.
-- Needs: clock.
local function tick(at)
  local time = math.max(at, ticked(at) + 1)
  redis.call('SET', K.clock, int(time))
  return time
end
