-- Puts the message "this execution is due" into its slot's queue, the way kombu's Redis transport reads it, and notes
-- it as waiting. kombu's highest priority is 0 and lives in the plain list; the others carry a suffix.
-- An empty template means that the broker is elsewhere: the caller sends, the ledger only notes.
local function publish(template, id, slot, attempt, priority, at)
  redis.call('ZADD', K.waiting .. slot, int(at), id)
  if template == '' then return end
  local queue, step = K.queue .. slot, 9 - priority
  local task = id .. ':' .. slot .. ':' .. attempt
  local message = string.gsub(template, '@(%u+)@', {
    TASK = task, JOB = id, SLOT = slot, QUEUE = queue, PRIORITY = int(step), TAG = task .. '@' .. int(at),
  })
  redis.call('LPUSH', step == 0 and queue or (queue .. '\6\22' .. int(step)), message)
end
