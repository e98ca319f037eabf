-- Appends one event to the record (job or execution) behind `key`. Fields of their own, each short, keep the hash in
-- Redis' compact encoding. Times never run backwards within a record, whatever the machine's clock does.
local function append_event(key, at, event, host, note)
  local last = redis.call('HMGET', key, 'events', 'last')
  local count = tonumber(last[1] or 0) + 1
  local time = math.max(at, tonumber(last[2] or 0))
  redis.call('HSET', key, 'events', count, 'last', int(time),
    'e' .. count, int(time) .. '|' .. event .. '|' .. host .. '|' .. (note or ''))
end
