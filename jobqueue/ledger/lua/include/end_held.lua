-- Ends the executions that are held, together. Needs: rollout, settle. Returns the job's status, or nil if none was held.
local function end_held(id, at, state, reason)
  local job, fields = K.job .. id, {'status', 'created', 'updated', 'op', 'opened', 'rest'}
  for _, name in ipairs(STATES) do fields[#fields + 1] = 'n.' .. name end
  local known = redis.call('HMGET', job, unpack(fields))
  if not known[5] or known[6] then return nil end
  local counts, hosts = {unpack(known, 7, 6 + #STATES)}, 0
  for i = 1, #STATES do hosts = hosts + num(counts[i]) end
  local held = hosts - num(known[5])
  if held <= 0 then return nil end
  end_rest(id, at, state, reason, counts, held, known[4])
  local news = advance(id, at, counts, known[4])
  redis.call('ZREM', K.opening, id)
  local status = settle(id, at, counts, known, true)
  announce(id, status, int(at), state, '_api', reason)
  announce_all(id, status, at, news)
  return status
end
