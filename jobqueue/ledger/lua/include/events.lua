-- Appends one event to the record (job or execution) behind `key`. Fields of their own, each short, keep the hash in
-- Redis' compact encoding. Times never run backwards within a record, whatever the machine's clock does.
-- Returns the time that the event got. Needs: clock.
local function append_event(key, at, event, host, note)
  local last = redis.call('HMGET', key, 'events', 'last')
  local count = num(last[1]) + 1
  local time = int(math.max(at, num(last[2])))
  redis.call('HSET', key, 'events', count, 'last', time,
    'e' .. count, time .. '|' .. event .. '|' .. host .. '|' .. (note or ''))
  return time
end

-- Tells those who follow everything. `status` is the job's afterwards; `events` are those of one moment (a,b), and
-- share the note.
local function announce(id, status, time, events, host, note)
  redis.call('XADD', K.events, 'MAXLEN', '~', 10000, '*',
    'v', id .. '|' .. status .. '|' .. time .. '|' .. events .. '|' .. host .. '|' .. (note or ''))
end
