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
  local task = id .. ':@SLOT@:' .. attempt
  local message = string.gsub(template, '@(%u+)@', {
    TASK = task, JOB = id, QUEUE = K.queue .. '@SLOT@', PRIORITY = int(9 - priority), TAG = task .. '@' .. int(time),
  })
  local texts = {}
  for text in string.gmatch(message .. '@SLOT@', '(.-)@SLOT@') do texts[#texts + 1] = text end
  return texts
end

-- time: from tick(), so that each of the lists holds its messages in the order of their times.
local function publish(texts, id, slot, priority, time)
  redis.call('ZADD', K.waiting .. slot, int(time), id)
  if texts then redis.call('LPUSH', queue_list(slot, 9 - priority), table.concat(texts, slot)) end
end
