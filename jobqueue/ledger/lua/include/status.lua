-- The job's status from the counts of its executions: the rule of model/states.py, inside Redis.
-- counts: the values of STATES in that order. Returns the status.
local function derive_status(counts)
  local n, total = {}, 0
  for i, state in ipairs(STATES) do
    n[state] = num(counts[i])
    total = total + n[state]
  end
  if n.submitted == total then return 'submitted' end
  if n.submitted + n.acknowledged + n.started > 0 then return 'processing' end
  if n.skipped == total then return 'skipped' end
  if n.failed + n.expired + n.lost == 0 then
    return n.cancelled > 0 and 'cancelled' or 'completed'
  end
  return n.completed > 0 and 'partial_failure' or 'failed'
end
