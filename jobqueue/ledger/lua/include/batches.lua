-- The batches of a rollout, from its terms. Needs: clock.
-- Scores of jobs in `opening` that are not due: they wait for a batch to end, for an approval, or to be resumed.
local RUNNING, AWAITING, PAUSED = '8000000000000000', '8100000000000000', '8200000000000000'

-- The terms in the record, or nil if they were altered.
local function terms_of(text)
  local canary, batch, failures, pause, between, on_failure =
    string.match(text or '', '^(%d+)|(%d+)|(%d+)|(%d+)|(%l+)|(%l+)$')
  if not canary or num(batch) < 1 then return nil end
  return {canary = num(canary), batch = num(batch), failures = num(failures), pause = num(pause),
    is_approved = between == 'approve', cancels = on_failure == 'cancel'}
end

-- The gate after the batch that begins at `gate`.
local function batch_end(terms, gate, hosts)
  return math.min(hosts, gate + (gate < terms.canary and terms.canary or terms.batch))
end

-- The number of the batch that ends at `gate`.
local function batch_number(terms, gate)
  return (terms.canary > 0 and 1 or 0) + math.ceil(math.max(0, gate - terms.canary) / terms.batch)
end
