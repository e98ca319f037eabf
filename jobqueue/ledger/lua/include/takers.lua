-- The agents that take work, by profile: all agents with the same operations share one, so that there are few however large
-- the fleet is. `takers:PROFILE` holds those that are neither away nor barred, by the time until which they count as live.
-- It is kept up to date wherever one of these changes; each heartbeat puts back an agent that is missing. Needs: clock.

-- The agent takes no work.
local function stand_down(host)
  local profile = redis.call('HGET', K.roster .. host, 'profile')
  if not profile then return end
  redis.call('ZREM', K.takers .. profile, host)
  if redis.call('EXISTS', K.takers .. profile) == 0 then
    redis.call('SREM', K.profiles, profile)
    redis.call('DEL', K.profile .. profile)
  end
end

-- The agent takes work as long as it is live. Its operations are those of the shared lists.
local function stand_by(host, live_until)
  local operations = redis.call('HGET', K.roster .. host, 'offers') or ''
  local profile = redis.sha1hex(operations)
  if redis.call('HGET', K.roster .. host, 'profile') ~= profile then
    stand_down(host)
    redis.call('HSET', K.roster .. host, 'profile', profile)
  end
  if redis.call('SADD', K.profiles, profile) == 1 then
    for op in string.gmatch(operations, '[^\n]+') do redis.call('SADD', K.profile .. profile, op) end
  end
  redis.call('ZADD', K.takers .. profile, live_until, host)
end

-- After a heartbeat or a registration: the agent counts as live until this time.
local function note_taker(host, profile, live_until)
  if profile and redis.call('ZADD', K.takers .. profile, 'XX', 'CH', live_until, host) == 1 then return end
  local is_away = redis.call('SISMEMBER', K.away, host) == 1 or redis.call('SISMEMBER', K.barred, host) == 1
  if is_away then stand_down(host) else stand_by(host, live_until) end
end
