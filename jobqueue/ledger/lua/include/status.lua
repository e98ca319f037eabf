-- The job's status from the counts of its executions: the rule of model/states.py, inside Redis.
-- counts: the values of STATES in that order. Returns the status.
local function derive_status(counts)
  local total, submitted, running, completed, skipped, cancelled = 0, 0, 0, 0, 0, 0
  for i, state in ipairs(STATES) do
    local number = num(counts[i])
    if number ~= 0 then
      total = total + number
      if state == 'submitted' then submitted = number
      elseif state == 'acknowledged' or state == 'started' then running = running + number
      elseif state == 'completed' then completed = number
      elseif state == 'skipped' then skipped = number
      elseif state == 'cancelled' then cancelled = number
      end
    end
  end
  if submitted == total then return 'submitted' end
  if submitted + running > 0 then return 'processing' end
  if skipped == total then return 'skipped' end
  if completed + skipped + cancelled == total then -- none failed
    return cancelled > 0 and 'cancelled' or 'completed'
  end
  return completed > 0 and 'partial_failure' or 'failed'
end

-- The counts of a job's executions, in the order of STATES, from its record and those of the unfinished states; then, if
-- the state is final, its own, which the record does not hold yet.
local function all_counts(job, known, state)
  local final, counts = redis.call('HMGET', job, FINAL_FIELDS), {known[1], known[2], known[3]}
  for i = #counts + 1, #STATES do counts[i] = STATES[i] == state and known[4] or final[i - 3] end
  return counts
end
