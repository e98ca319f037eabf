-- Appends one event to the record (job or execution) at `key`. Separate short fields keep the hash in Redis' compact
-- encoding. Times never run backwards within a record, even if the machine's clock does.
-- Returns the event's time. Needs: clock.
local function append_event(key, at, event, host, note)
  local last = redis.call('HMGET', key, 'events', 'last')
  local count = num(last[1]) + 1
  local time = later(at, last[2])
  redis.call('HSET', key, 'events', count, 'last', time,
    'e' .. count, time .. '|' .. event .. '|' .. host .. '|' .. (note or ''))
  return time
end

-- Publishes to followers of all events. `status` is the job's status afterwards; `events` are those of one moment
-- (a,b), which share the note.
local function announce(id, status, time, events, host, note)
  redis.call('XADD', K.events, 'MAXLEN', '~', '10000', '*',
    'v', id .. '|' .. status .. '|' .. time .. '|' .. events .. '|' .. host .. '|' .. (note or ''))
end
