-- Gives the keys of which a place is free to the next in their lines, and finds the jobs that others replace. Holders that
-- have ended, and executions that were given a key and have not started, lose it.
-- include: clock concurrency parking
-- KEYS: none
-- ARGV: 1 now, 2 how many keys at most
-- returns: {number of keys examined, {id of a job to cancel, id of the job that replaces it, ...}}
local at = clock(ARGV[1])
local MOST = 100 -- members that one visit looks at
local replaced = {}

-- The limit of a member of the line; nil if it waits no more.
local function limit_of(member, key, is_each)
  local id = string.sub(member, 1, 36)
  local record = is_sound('hash', K.job .. id) and redis.call('HMGET', K.job .. id, 'status', 'conc') or {}
  local terms = key_terms(record[2])
  if not record[1] or FINAL[record[1]] or not terms then return nil end
  if is_each then
    local exec = K.exec .. string.sub(member, 38) .. ':' .. id
    local parked = is_sound('hash', exec) and redis.call('HMGET', exec, 'state', 'parked') or {}
    if parked[1] ~= 'submitted' or parked[2] ~= 'each:' .. key then return nil end
  end
  return terms.limit, terms.policy
end

local function admit(key, is_each)
  for _ = 1, MOST do
    local found = redis.call('ZRANGE', K.line .. key, 0, 0, 'WITHSCORES')
    local head, time = found[1], num(found[2])
    if not head then return end
    local limit = limit_of(head, key, is_each)
    if limit and redis.call('ZCARD', K.holders .. key) >= limit then return end
    redis.call('ZREM', K.line .. key, head)
    if limit then
      local id, slot = string.sub(head, 1, 36), string.sub(head, 38)
      redis.call('ZADD', K.holders .. key, int(is_each and at or time), head)
      local reason = 'key:' .. id
      if is_each then
        reason = 'granted'
        park(id, slot, reason, num(unpark(id, slot, 'each:' .. key) or at))
      end
      redis.call('ZADD', K.returning, int(at), reason)
    end
  end
end

-- The newest in line that replaces others: what is before it must go.
local function find_replaced(key)
  local members, first = redis.call('ZRANGE', K.line .. key, 0, MOST - 1), nil
  for i = #members, 1, -1 do
    local limit, policy = limit_of(members[i], key, false)
    if policy == 'replace' then
      for j = 1, i - 1 do replaced[#replaced + 1], replaced[#replaced + 2] = members[j], members[i] end
      first = redis.call('ZCARD', K.holders .. key) - limit
      for _, holder in ipairs(first >= 0 and redis.call('ZRANGE', K.holders .. key, 0, first) or {}) do
        if not redis.call('HGET', K.job .. holder, 'cancel') then
          replaced[#replaced + 1], replaced[#replaced + 2] = holder, members[i]
        end
      end
      return
    end
  end
end

local keys = redis.call('ZRANGEBYSCORE', K.lines, '-inf', int(at), 'LIMIT', 0, ARGV[2])
-- agents' users may write these times: one that no script sets would keep a line waiting for ever
for _, key in ipairs(redis.call('ZRANGEBYSCORE', K.lines, int(at + 6 * REVISIT), '+inf', 'LIMIT', 0, ARGV[2])) do
  keys[#keys + 1] = key
end
for _, key in ipairs(keys) do
  local is_each = string.sub(key, 1, 2) == '{}'
  local holders = redis.call('ZRANGE', K.holders .. key, 0, MOST - 1, 'WITHSCORES')
  for i = 1, #holders, 2 do
    if not is_holder(holders[i], holders[i + 1], key, is_each, at) then redis.call('ZREM', K.holders .. key, holders[i]) end
  end
  admit(key, is_each)
  if not is_each then find_replaced(key) end
  if redis.call('EXISTS', K.line .. key) == 1 then
    redis.call('ZADD', K.lines, int(at + (is_each and UNUSED or REVISIT)), key)
  else
    redis.call('ZREM', K.lines, key)
  end
end
return {#keys, replaced}
