-- In front of every script, because Redis does not roll back a script that fails halfway. A command that meets a
-- damaged key does not end the script if the ledger can do without the key's contents: the key is moved aside (kind
-- `spoiled`), an alert reports it, and the command runs on a new key. A key is damaged if it has another type, or if it
-- is an `events` stream to which no later id can be added. A damaged key that the ledger needs ends the script with an
-- error that names it; scripts read such keys before their first write. The guard costs nothing until a command fails.
-- ledger/scripts.py inserts REPAIRABLE and SPOILED, and the functions that only a repair needs for KEY_TYPES.
local server, pcall_server = redis, redis.pcall
-- what `redis.call` of a script becomes
local redis_call

-- The type of a key, or a description if the user may not query it.
local function type_of(key)
  local found = server.pcall('TYPE', key)
  return found.ok or 'value of another type'
end

-- Ends the script unless each of the keys is of this type or missing: for keys that are only written.
local function need(wanted, ...)
  for _, key in ipairs({...}) do
    local found = type_of(key)
    if found ~= wanted and found ~= 'none' then error("WRONGTYPE the key '" .. key .. "' holds a " .. found, 0) end
  end
end

-- Whether a key is of this type or missing: for steps over many records, which one damaged record must not end.
local function is_sound(wanted, key)
  local found = type_of(key)
  return found == wanted or found == 'none'
end

-- Begins a stream of events that is missing or has no entries; returns the id of its first entry. A missing one begins in the
-- next millisecond, at a number that is this microsecond's: later than the position of any reader (a notification rule, or
-- the schedules that follow jobs), which would otherwise find an entry at its position and not see that events are missing.
-- One without entries continues after its last id.
local function begin_stream(key, at)
  local id = '*'
  if type_of(key) == 'none' then
    local time = server.call('TIME')
    id = string.format('%.0f-%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + 1, (time[2] % 1000 + 1) * 1e6)
  end
  return redis.call('XADD', key, id, 'v', 'begin|' .. at .. '||')
end

-- Id of a job that the script creates: its keys cannot exist yet.
local new_job

-- most answers are none, 0 or 1: then this takes a fifth of a short command less
function redis_call(...)
  local answer = pcall_server(...)
  if answer == 1 or answer == 0 or not answer then return answer end
  if type(answer) ~= 'table' or not answer.err then return answer end

  local server = redis
  local function repair(failure, command, key, ...)
  KEY_TYPES
    local function repairable_type(key)
      for start, wanted in pairs(REPAIRABLE) do
        if key == start or (string.sub(start, -1) == ':' and string.sub(key, 1, #start) == start) then return wanted end
      end
      if new_job and string.sub(key, -#new_job) == new_job then return 'record of a new job' end
    end

    -- Moves a damaged key aside and raises an alert. Returns false if the user may not (an agent's user). Maintenance
    -- checks the shared keys once a second, and does it then.
    local function set_aside(key, what)
      local moved = server.pcall('RENAME', key, SPOILED.aside .. key)
      if type(moved) == 'table' and moved.err then return false end
      server.pcall('EXPIRE', SPOILED.aside .. key, SPOILED.seconds)
      local time = server.call('TIME')
      local now = time[1] .. string.format('%06d', time[2])
      if key == SPOILED.notices or key == SPOILED.job_notices then begin_stream(key, now) end -- notes only go into one that exists
      local message = 'The key ' .. key .. ' ' .. what .. '. It was moved to ' .. SPOILED.aside .. key
        .. ' and replaced by an empty one; `jobqueue doctor --repair` restores what other records contain.'
      if type_of(SPOILED.alerts) ~= 'list' then server.call('DEL', SPOILED.alerts) end
      for _, alert in ipairs(server.call('LRANGE', SPOILED.alerts, 0, -1)) do
        if string.find(alert, cjson.encode(message), 1, true) then return true end
      end
      server.pcall('HINCRBY', SPOILED.stats, SPOILED.kind, 1)
      server.call('LPUSH', SPOILED.alerts, now .. '|' .. cjson.encode({
        kind = SPOILED.kind, job_id = '', hostname = '', message = message}))
      server.call('LTRIM', SPOILED.alerts, 0, 99)
      -- for the notification rules, as `notice` does
      server.pcall('XADD', SPOILED.notices, 'NOMKSTREAM', 'MAXLEN', '~', KEPT_NOTICES, '*', 'v',
        'alert|' .. now .. '|' .. SPOILED.kind .. '|' .. cjson.encode({job_id = '', hostname = '', message = message}))
      return true
    end

    local why = tostring(failure.err)
    local is_type = string.find(why, 'WRONGTYPE', 1, true)
    local is_full = command == 'XADD'
      and (key == SPOILED.events or key == SPOILED.notices or key == SPOILED.job_notices)
      and (string.find(why, 'equal or smaller', 1, true) or string.find(why, 'exhausted', 1, true))
    if not is_type and not is_full then return server.call(command, key, ...) end -- it fails again, which must surface
    local wanted = repairable_type(key)
    if not wanted then
      local found = type_of(key)
      error("WRONGTYPE the key '" .. key .. "' holds a " .. found, 0)
    end
    if set_aside(key, is_full and 'took no more entries: its last id is the highest that there is'
        or 'held a ' .. type_of(key) .. ' in place of a ' .. wanted) then
      return server.call(command, key, ...)
    end
    if string.find('HGET GET ZSCORE LINDEX', command, 1, true) then return false end
    if string.find('SMEMBERS HMGET ZMSCORE HGETALL', command, 1, true) or string.find(command, 'RANGE', 1, true) then return {} end
    return 0
  end

  return repair(answer, ...)
end
