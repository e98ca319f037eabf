-- Merges an agent's own record into the lists that all agents share. An agent's Redis user may write only the agent's
-- own record, so that it cannot speak for another agent; maintenance then calls this on its behalf.
-- Needs: clock, agent_state, raise, takers.

-- More bytes or lines than the labels and the operations of an agent have. Each line is a command or two of this script,
-- so that a record without a bound would hold up everything else.
local LONGEST_LISTING, MOST_LISTED = 65536, 2000

-- A field of the agent's record that consists of lines; false if it has more of them than an agent's can have.
local function listing(host, field)
  if redis.call('HSTRLEN', K.agent .. host, field) > LONGEST_LISTING then return false end
  local text = redis.call('HGET', K.agent .. host, field) or ''
  local _, lines = string.gsub(text, '\n', '')
  return lines < MOST_LISTED and text
end

local function list_agent(host, known, at)
  known.labels, known.offers = listing(host, 'labels'), listing(host, 'offers')
  if not known.labels or not known.offers then
    known.labels, known.offers = '', ''
    raise_alert('records_altered', '', host, 'The record of agent ' .. host .. ' has more labels or operations than an agent'
      .. ' can have. It is registered with none of them; restart the agent, which writes its record again.', 1, at)
  end
  local roster = K.roster .. host
  local listed = redis.call('HMGET', roster, 'labels', 'offers')
  for label in string.gmatch(listed[1] or '', '[^\n]+') do redis.call('SREM', K.label .. label, host) end
  for op in string.gmatch(listed[2] or '', '[^\n]+') do redis.call('SREM', K.offers .. op, host) end
  for label in string.gmatch(known.labels, '[^\n]+') do redis.call('SADD', K.label .. label, host) end
  for op in string.gmatch(known.offers, '[^\n]+') do redis.call('SADD', K.offers .. op, host) end
  stand_down(host) -- `note_taker` lists it again, with its new operations
  redis.call('HSET', roster, 'registered', known.registered, 'labels', known.labels, 'offers', known.offers)
  redis.call('ZADD', K.hostnames, 0, host)
  -- only a holder of the API's key can verify the certificate, and does so again: see `certify`
  local state = redis.call('HGET', K.agent .. host, 'state')
  local given = redis.call('HGET', K.agent .. host, 'certificate')
  if redis.call('SISMEMBER', K.barred, host) == 1 then
    redis.call('SADD', K.away, host)
    if state ~= 'Revoked' then set_agent_state(host, 'Revoked', at) end
    if known.proof ~= '' then redis.call('SADD', K.joining, host) end
  elseif known.holds == '' or (state == 'Revoked' and given and given ~= known.shown) then
    -- or it was accepted again, and presents its previous certificate
    redis.call('SADD', K.away, host)
    if state ~= 'Pending' then set_agent_state(host, 'Pending', at) end
    if known.proof ~= '' then redis.call('SADD', K.joining, host) end
  elseif not state or state == 'Pending' or state == 'Revoked' then
    redis.call('SREM', K.away, host)
    set_agent_state(host, 'Ready', at)
  end
  -- the API's own entry is never replaced by one that the agent presents
  if known.shown ~= '' and known.key ~= '' then redis.call('HSETNX', K.certificates, known.key, known.shown) end
end

-- Moves the agent's alerts to the shared list.
local function take_notes(host, at)
  local notes = redis.call('LRANGE', K.noted .. host, 0, 19)
  if #notes == 0 then return end
  redis.call('DEL', K.noted .. host)
  for i = #notes, 1, -1 do
    local is_read, note = pcall(cjson.decode, notes[i])
    if not is_read or type(note) ~= 'table' then note = {kind = '', message = 'a note that cannot be read'} end
    local kind = ({work_refused = note.kind, messages_refused = note.kind})[tostring(note.kind)] or 'records_altered'
    local times = math.max(1, math.min(1000000, math.floor(num(note.count))))
    raise_alert(kind, string.sub(tostring(note.job_id or ''), 1, 64), host, string.sub(tostring(note.message), 1, 600),
      int(times), at)
  end
end

local function muster(host, at)
  take_notes(host, at) -- also of an agent that has not registered yet
  -- an unreadable agent record must not block the others; the agent's own next step reports the error
  if type_of(K.agent .. host) ~= 'hash' then
    redis.call('ZREM', K.agents, host)
    redis.call('ZREM', K.hostnames, host)
    stand_down(host)
    return false
  end
  local found = redis.call('HMGET', K.agent .. host, 'registered', 'holds', 'key', 'shown', 'proof', 'until')
  if not found[1] then
    return false
  end
  local known = {registered = found[1], holds = found[2] or '', key = found[3] or '', shown = found[4] or '',
    proof = found[5] or ''}
  local listed = redis.call('HMGET', K.roster .. host, 'registered', 'profile')
  local live_until = int(math.min(num(found[6]), at + LONGEST_LIFE))
  if listed[1] ~= known.registered then list_agent(host, known, at) end
  redis.call('ZADD', K.agents, live_until, host)
  note_taker(host, listed[1] == known.registered and listed[2], live_until)
  return true
end

-- The agent's record has changed. If its user may, it is merged into the lists at once; otherwise maintenance does it,
-- in a moment. Which of the two applies is tested once, at registration.
local function announce_agent(host, at)
  local agent = K.agent .. host
  if not redis.call('HGET', agent, 'apart') then
    local may = redis.pcall('SISMEMBER', K.joining, host)
    if type(may) ~= 'table' or not may.err then
      muster(host, at)
      return
    end
    redis.call('HSET', agent, 'apart', '1')
  end
  redis.call('SADD', K.arrivals, host)
end
