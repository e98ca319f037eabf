-- Finds the hosts that take work, and the least busy of them.

-- Hosts that take no new work, as a set. Agents may report that they are back, but not that they are accepted.
local function hosts_away()
  local away = {}
  for _, key in ipairs({K.away, K.barred}) do
    for _, host in ipairs(redis.call('SMEMBERS', key)) do away[host] = true end
  end
  return away
end

-- The Ready hosts that are live or, with `offline_too`, known.
local function taking(hosts, at, away, offline_too)
  local found = {}
  for first = 1, #hosts, 1000 do -- unpack has a limit
    local last = math.min(first + 999, #hosts)
    local live_until = redis.call('ZMSCORE', K.agents, unpack(hosts, first, last))
    for i = first, last do
      local time = tonumber(live_until[i - first + 1] or 0)
      if (time > at or (offline_too and time > 0)) and not away[hosts[i]] then found[#found + 1] = hosts[i] end
    end
  end
  return found
end

local function least_busy(hosts, at)
  local best, least
  for i = 1, math.min(#hosts, 50) do -- a sample from a varying start, so that a large fleet does not make this slow
    local host = hosts[(at + i) % #hosts + 1]
    local load = redis.call('ZCARD', K.waiting .. host) + num(redis.call('HGET', K.agent .. host, 'running'))
    if not best or load < least then best, least = host, load end
  end
  return best
end
