-- A job whose executions are opened in steps: a large job, or a rollout. Needs: clock, events, notice, status, batches.
-- Fields of its hash: `opened`: how many slots, in the order of the list, have a record; `gate`: up to how many may be
-- opened now; `opens`: not before this time. The executions after `opened` are `submitted` and held, or ended together
-- without ever having had a record: `rest` is then their state|time|reason.
-- A rollout also has `rollout`: canary|batch|most failures|pause|between|on failure; `rate` (see `pace`); `b1`, `b2`...: per batch
-- opened|ended|counts of the job's final states at its end; `paused` and `awaits` (an approval): since when.
local PLACE = {}
for i, state in ipairs(STATES) do PLACE[state] = i end

-- Ends all executions that have no record, together. `counts`: the job's, in the order of STATES; kept up to date.
local function end_rest(id, at, state, reason, counts, held, op)
  local job = K.job .. id
  redis.call('HSET', job, 'rest', state .. '|' .. int(at) .. '|' .. reason)
  if count(job, 'n.submitted', int(0 - held)) <= 0 then redis.call('HDEL', job, 'n.submitted') end
  count(job, 'n.' .. state, int(held))
  counts[PLACE.submitted] = math.max(0, num(counts[PLACE.submitted]) - held)
  counts[PLACE[state]] = num(counts[PLACE[state]]) + held
  count(K.measured, 'ended|' .. (op or '?') .. '|' .. state, int(held))
end

-- Lets the next batch be opened, now or after the pause.
local function raise_gate(id, at, terms, gate, hosts)
  local opens = int(at + (gate > 0 and terms.pause or 0))
  redis.call('HSET', K.job .. id, 'gate', int(batch_end(terms, gate, hosts)), 'opens', opens)
  redis.call('HDEL', K.job .. id, 'awaits')
  redis.call('ZADD', K.opening, opens, id)
end

-- Why the rollout must stop, or nil.
local function stop_reason(terms, gate, failures, hosts)
  if not terms then return 'its terms were altered' end
  local is_canary = gate <= terms.canary
  if failures == 0 or (failures < terms.failures and not is_canary) then return nil end
  local share = int(failures) .. ' of ' .. int(hosts) .. ' hosts failed'
  return is_canary and share .. ', in the canary batch' or share .. '; the limit is ' .. int(terms.failures)
end

-- Stops a rollout: ends what is held. Opened executions continue, unless the terms say that it is cancelled, which
-- maintenance does.
local function stop(id, at, reason, cancels, counts, held, op)
  redis.call('HSET', K.job .. id, 'stopped', int(at) .. '|' .. reason)
  redis.call('HDEL', K.job .. id, 'awaits', 'paused')
  count(K.stats, 'rollouts_stopped', 1)
  notice(K.job_notices, 'stopped', at, id, reason)
  if held > 0 then end_rest(id, at, 'cancelled', 'the rollout stopped: ' .. reason, counts, held, op) end
  if cancels then redis.call('ZADD', K.opening, int(at), id) else redis.call('ZREM', K.opening, id) end
end

-- Brings a rollout up to date with its counts: ends the batch, opens the next, or stops. It may be repeated at any time.
-- Returns what to announce once the job's status is known: {{event, note}...}; keeps `counts` up to date.
local function advance(id, at, counts, op)
  local job, news = K.job .. id, {}
  local found = redis.call('HMGET', job, 'rollout', 'opened', 'gate', 'rest', 'paused', 'stopped', 'awaits')
  if not found[1] then return news end
  local terms, opened, gate, rest = terms_of(found[1]), num(found[2]), num(found[3]), found[4]
  local hosts, ended, final = 0, 0, {}
  for i = 1, #STATES do hosts = hosts + num(counts[i]) end
  local held = math.max(0, hosts - opened)
  local shared = rest and string.match(rest, '^%l+') -- the state of those that ended without a record
  local function with_record(state) return math.max(0, num(counts[PLACE[state]]) - (state == shared and held or 0)) end
  for _, state in ipairs(STATES) do
    if FINAL_STATES[state] then
      ended = ended + with_record(state)
      final[#final + 1] = int(with_record(state))
    end
  end
  if not rest and not found[6] then
    local failures = with_record('failed') + with_record('lost') + with_record('expired')
    local reason = stop_reason(terms, gate, failures, hosts)
    if reason then
      stop(id, at, reason, terms and terms.cancels, counts, held, op)
      rest = held > 0
      news[#news + 1] = {'stopped', reason}
    end
  end
  if not terms or ended < opened or opened == 0 or (opened < gate and not rest) then return news end
  -- the batch has ended
  local number = int(batch_number(terms, opened))
  local line = redis.call('HGET', job, 'b' .. number) or (int(at) .. '|')
  if string.match(line, '^%d+|$') then
    redis.call('HSET', job, 'b' .. number, line .. int(at) .. '|' .. table.concat(final, ','))
    news[#news + 1] = {'batch_ended', number}
  end
  if rest or found[5] or gate >= hosts then return news end
  if not terms.is_approved then
    raise_gate(id, at, terms, gate, hosts)
  elseif not found[7] then
    redis.call('HSET', job, 'awaits', int(at))
    redis.call('ZADD', K.opening, AWAITING, id)
    notice(K.job_notices, 'awaiting', at, id, 'batch')
  end
  return news
end
