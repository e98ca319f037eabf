-- Puts the message "this execution is due" into its slot's queue, the way kombu's Redis transport reads it, and notes
-- it as waiting. Needs: clock.

-- kombu's ten lists of one queue: 0, the highest priority, is the plain list; the others carry a suffix.
local function queue_list(slot, step)
  return K.queue .. slot .. (step == 0 and '' or '\6\22' .. int(step))
end

-- The message for one attempt, as the texts between the slot's name: ready to be joined for each of many slots. No
-- template means that the broker is elsewhere: nil then, the caller sends and the ledger only notes.
local function message_texts(template, id, attempt, priority, time)
  if template == '' then return nil end
  -- placeholder -> what takes its place before the slot's name, and after it where the name is part of it
  local values = {
    JOB = {id}, PRIORITY = {int(9 - priority)}, SLOT = {'', ''}, QUEUE = {K.queue, ''},
    TASK = {id .. ':', ':' .. attempt}, TAG = {id .. ':', ':' .. attempt .. '@' .. int(time)},
  }
  local texts, text, from = {}, '', 1
  while true do
    -- plain searches: a pattern would be tried at each of the template's characters, and take twice as long as the job
    local open = string.find(template, '@', from, true)
    if not open then break end
    local close = string.find(template, '@', open + 1, true)
    local value = values[string.sub(template, open + 1, close - 1)]
    text = text .. string.sub(template, from, open - 1) .. value[1]
    if value[2] then
      texts[#texts + 1] = text
      text = value[2]
    end
    from = close + 1
  end
  texts[#texts + 1] = text .. string.sub(template, from)
  return texts
end

-- time: from tick(), so that each of the lists holds its messages in the order of their times.
local function publish(texts, id, slot, priority, time)
  redis.call('ZADD', K.waiting .. slot, int(time), id)
  if texts then redis.call('LPUSH', queue_list(slot, 9 - priority), table.concat(texts, slot)) end
end
