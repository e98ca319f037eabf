-- Finds the hosts that take work, and the least busy of them.
local SAMPLE = 50 -- hosts of which the least busy is chosen, so that a large fleet does not make this slow

-- The hosts that are neither away nor barred and are live or, with `offline_too`, known. Agents may report that they are
-- back, but not that they are accepted.
local function taking(hosts, at, offline_too)
  local found = {}
  for first = 1, #hosts, 1000 do -- unpack has a limit
    local last = math.min(first + 999, #hosts)
    local live_until = redis.call('ZMSCORE', K.agents, unpack(hosts, first, last))
    local away = redis.call('SMISMEMBER', K.away, unpack(hosts, first, last))
    local barred = redis.call('SMISMEMBER', K.barred, unpack(hosts, first, last))
    for i = first, last do
      local place = i - first + 1
      local time = tonumber(live_until[place] or 0)
      local is_away = away[place] == 1 or barred[place] == 1
      if (time > at or (offline_too and time > 0)) and not is_away then found[#found + 1] = hosts[i] end
    end
  end
  return found
end

local function least_busy(hosts, at)
  local best, least
  for i = 1, math.min(#hosts, SAMPLE) do -- from a varying start
    local host = hosts[(at + i) % #hosts + 1]
    local load = redis.call('ZCARD', K.waiting .. host) + num(redis.call('HGET', K.agent .. host, 'running'))
    if not best or load < least then best, least = host, load end
  end
  return best
end
