-- Puts the message "this execution is due" into its slot's queue, in the format of kombu's Redis transport, and records
-- it as waiting. Needs: clock.

-- kombu's ten lists of one queue: 0, the highest priority, is the plain list; the others have a suffix.
local function queue_list(slot, step)
  return K.queue .. slot .. (step == 0 and '' or '\6\22' .. int(step))
end

-- A template, split into the places of the values that its format takes (in `message_of`), and the format; nil without one:
-- then the broker is elsewhere, and the caller sends the message.
local function parse_template(template)
  if template == '' then return nil end
  local stop = string.find(template, '\n', 1, true)
  return {places = {string.byte(template, 1, stop - 1)}, format = string.sub(template, stop + 1)}
end

-- The message for one attempt. spread: how many hosts get one at the same time; nil: only this one.
local function message_of(template, id, slot, attempt, priority, time, spread)
  if not template then return nil end
  local task = id .. ':' .. slot .. ':' .. attempt
  -- in the order of the placeholders in dispatch/envelope.py
  local values = {id, slot, K.queue .. slot, int(9 - priority), task, task .. '@' .. int(time), spread and '/' .. int(spread) or ''}
  local parts = {}
  for i, place in ipairs(template.places) do parts[i] = values[place - 48] end -- '1' is the byte 49
  return string.format(template.format, unpack(parts))
end

-- The same for many slots: the texts between the slot names, ready to be joined with each name.
local function message_texts(template, id, attempt, priority, time, spread)
  if not template then return nil end
  local joint = message_of(template, id, '\1', attempt, priority, time, spread)
  local texts, from = {}, 1
  while true do
    local at = string.find(joint, '\1', from, true)
    if not at then break end
    texts[#texts + 1] = string.sub(joint, from, at - 1)
    from = at + 1
  end
  texts[#texts + 1] = string.sub(joint, from)
  return texts
end

-- time: from tick(), so that each list holds its messages in the order of their times. Executions without a host are
-- only recorded as waiting: no agent reads a queue for them. push: 'RPUSH' for one that returns with an earlier time than
-- all others in the list; nil for any other.
local function publish(message, id, slot, priority, time, push)
  redis.call('ZADD', K.waiting .. slot, int(time), id)
  if slot == '_unplaced' then return end
  redis.call('ZADD', K.queues, 'NX', int(time), slot) -- for the reconciler
  if message then redis.call(push or 'LPUSH', queue_list(slot, 9 - priority), message) end
end
