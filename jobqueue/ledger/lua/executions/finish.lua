-- Records the ends of executions. Only the holder of the token may; repeating the same report is harmless. Each report is
-- apart: a damaged record fails only its own.
-- include: clock events notice relist<index> derive_status|all_counts|advance|leave_execution|leave_job<status,batches,rollout,concurrency> settle transition short_answer release<answer,release> apart
-- KEYS: none
-- ARGV: 1 now, then per report: job id, hostname of the agent, token, state (completed, failed, skipped, cancelled),
--   what it returned as JSON, or '' to leave what it reported, note: the error, or the reason, or '',
--   microseconds to wait before a next attempt, or '' for none, note of that retry, the agent's signature or ''
-- returns: per report: 'finished' | 'retried' | 'repeated' | 'stale' | 'unknown' | 'illegal' (no execution may end so)
--   | {'error', why}
local at = clock(ARGV[1])
local last_host, is_barred -- whether the host of the last report is barred: an agent reports for itself only

local function finish(id, host, token, state, out, note, delay, retry_note, signature)
  local exec = K.exec .. host .. ':' .. id
  local record = redis.call('HMGET', exec, 'state', 'last', 'events', 'token', 'o1', 'batch')
  if host ~= last_host then last_host, is_barred = host, redis.call('SISMEMBER', K.barred, host) == 1 end
  if is_barred or record[4] ~= token or record[1] ~= 'started' then
    if record[4] == token and record[1] == state then return 'repeated' end
    count(K.stats, 'results_refused', 1)
    return redis.call('EXISTS', K.job .. id) == 1 and 'stale' or 'unknown'
  end
  if delay ~= '' and not redis.call('HGET', K.job .. id, 'cancel') then
    release(id, host, at, at + tonumber(delay), 'retried', retry_note)
    return 'retried'
  end
  -- one word, since MOVES is searched for it; no final state has a move
  if not string.find(state, '^%l+$') or string.find(MOVES, ' ' .. state .. '>', 1, true) then return 'illegal' end
  local place = host .. ':' .. id
  local short = out ~= '' and short_answer(out)
  local more = short or {}
  local pieces = short and #short / 2 or 0
  if signature ~= '' then
    -- in two fields, since one long value would cost the hash its compact encoding, and twice the memory
    local last = #more
    more[last + 1], more[last + 2] = 's1', string.sub(signature, 1, 60)
    more[last + 3], more[last + 4] = 's2', string.sub(signature, 61)
  end
  local is_replaced = out ~= '' or signature ~= '' -- the signature covers everything that is kept
  if not transition(id, host, at, host, {{state, state, note}}, more, record) then
    return redis.call('EXISTS', K.job .. id) == 1 and 'illegal' or 'unknown'
  end
  if is_replaced then
    if record[5] and pieces < #PIECES then redis.call('HDEL', exec, unpack(PIECES, pieces + 1)) end -- of a longer report
    redis.call('DEL', K.out .. place)
    if out ~= '' and not short then redis.call('SET', K.out .. place, out) end
  end
  redis.call('ZREM', K.leases, id .. ':' .. host)
  if not record[6] then return 'finished' end -- it has written no output
  -- wakes the followers of the output; the id lies after the last byte and before any later one
  local log = K.log .. place
  local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
  -- if the host has corrupted the ids of its stream, this entry is rejected: followers see the end a moment later
  if newest[1] then redis.pcall('XADD', log, string.match(newest[1][1], '^%d+') .. '-1', 'end', state) end
  return 'finished'
end

return each_apart(finish, 2, #ARGV, 9)
