-- Puts the message "this execution is due" into its slot's queue, the way kombu's Redis transport reads it, and notes
-- it as waiting. Needs: clock.

-- kombu's ten lists of one queue: 0, the highest priority, is the plain list; the others carry a suffix.
local function queue_list(slot, step)
  return K.queue .. slot .. (step == 0 and '' or '\6\22' .. int(step))
end

-- A template as {text, placeholder, text, placeholder, ..., text}; nil for none: the broker is elsewhere then, the
-- caller sends and the ledger only notes. Plain searches: a pattern would be tried at each of its characters.
local function parse_template(template)
  if template == '' then return nil end
  local parts, from = {}, 1
  while true do
    local open = string.find(template, '@', from, true)
    if not open then break end
    local close = string.find(template, '@', open + 1, true)
    parts[#parts + 1] = string.sub(template, from, open - 1)
    parts[#parts + 1] = string.sub(template, open + 1, close - 1)
    from = close + 1
  end
  parts[#parts + 1] = string.sub(template, from)
  return parts
end

-- The message for one attempt, as the texts between the slot's name: ready to be joined for each of many slots.
local function message_texts(template, id, attempt, priority, time)
  if not template then return nil end
  -- placeholder -> what takes its place before the slot's name, and after it where the name is part of it
  local task = ':' .. attempt
  local before = {JOB = id, PRIORITY = int(9 - priority), SLOT = '', QUEUE = K.queue, TASK = id .. ':', TAG = id .. ':'}
  local after = {SLOT = '', QUEUE = '', TASK = task, TAG = task .. '@' .. int(time)}
  local texts, text = {}, {template[1]}
  for i = 2, #template, 2 do
    local name = template[i]
    text[#text + 1] = before[name]
    if after[name] then
      texts[#texts + 1] = table.concat(text)
      text = {after[name]}
    end
    text[#text + 1] = template[i + 1]
  end
  texts[#texts + 1] = table.concat(text)
  return texts
end

-- time: from tick(), so that each of the lists holds its messages in the order of their times.
local function publish(texts, id, slot, priority, time)
  redis.call('ZADD', K.waiting .. slot, int(time), id)
  if texts then redis.call('LPUSH', queue_list(slot, 9 - priority), table.concat(texts, slot)) end
end
