-- Puts the message "this execution is due" into its slot's queue, the way kombu's Redis transport reads it, and notes
-- it as waiting. Needs: clock.

-- kombu's ten lists of one queue: 0, the highest priority, is the plain list; the others carry a suffix.
local function queue_list(slot, step)
  return K.queue .. slot .. (step == 0 and '' or '\6\22' .. int(step))
end

-- A message template cut at its placeholders, once for many messages: texts at odd places, names at even ones.
local function cut(template)
  local pieces, from = {}, 1
  for start, name, stop in string.gmatch(template, '()@(%u+)@()') do
    pieces[#pieces + 1] = string.sub(template, from, start - 1)
    pieces[#pieces + 1] = name
    from = stop
  end
  pieces[#pieces + 1] = string.sub(template, from)
  return pieces
end

-- time: from tick(), so that each of the lists holds its messages in the order of their times.
-- An empty template means that the broker is elsewhere: the caller sends, the ledger only notes.
local function publish(pieces, id, slot, attempt, priority, time)
  redis.call('ZADD', K.waiting .. slot, int(time), id)
  if #pieces == 1 then return end
  local task = id .. ':' .. slot .. ':' .. attempt
  local values = {
    TASK = task, JOB = id, SLOT = slot, QUEUE = K.queue .. slot, PRIORITY = int(9 - priority), TAG = task .. '@' .. int(time),
  }
  local message = {}
  for i, piece in ipairs(pieces) do message[i] = i % 2 == 0 and values[piece] or piece end
  redis.call('LPUSH', queue_list(slot, 9 - priority), table.concat(message))
end
