-- Concurrency keys: at most `limit` holders of a key at a time; the others wait in line.
--
-- A key without a placeholder is held by a job (its id), from its acceptance (`not_before`: from its first claim) until it
-- has ended. A key with one is held by an execution ("job:slot") while it runs; the key that its host makes of it begins
-- with '{}', so that the two never meet. Those in line are in `line:KEY`: jobs by time of creation, executions by time of
-- publishing. `lines` has the keys with a line, by the time of the next visit (`advance_lines`). Needs: clock.
local UNUSED = 5000000 -- microseconds for which a key is kept for an execution that has not started
local REVISIT = 10000000 -- microseconds until a line is examined again, even if no release was noticed

-- The terms in the record of a job, or nil.
local function key_terms(text)
  local limit, policy, key = string.match(text or '', '^(%d+)|(%l+)|(.+)$')
  if not key then return nil end
  return {limit = num(limit), policy = policy, key = key, is_each = string.find(key, '{', 1, true) ~= nil}
end

-- Whether it holds a key by right: a job with this key that has not ended, an execution that runs with it or was given it a
-- moment ago. Agents' users may write holders, so any other job or execution among them holds nothing.
local function is_holder(member, since, key, is_each, at)
  local id = string.sub(member, 1, 36)
  local record = is_sound('hash', K.job .. id) and redis.call('HMGET', K.job .. id, 'status', 'conc') or {}
  local terms = key_terms(record[2])
  if not record[1] or not terms or terms.is_each ~= is_each then return false end
  if not is_each then return not FINAL[record[1]] and terms.key == key end
  local exec = K.exec .. string.sub(member, 38) .. ':' .. id
  local run = is_sound('hash', exec) and redis.call('HMGET', exec, 'state', 'key') or {}
  return run[1] == 'started' and run[2] == key or (run[1] == 'submitted' and num(since) + UNUSED > at)
end

-- The key on a host: its placeholders replaced. A host without the label has the empty value. The values stay in braces,
-- which no other part of a key may contain: else 'a-web2{label:x}' would take the place of 'a-{host}' on web2.
local function key_on(terms, host)
  local labels
  local key = string.gsub(terms.key, '{([^}]*)}', function(name)
    if name == 'host' then return '{' .. host .. '}' end
    if not labels then
      local is_read, info = pcall(cjson.decode, redis.call('HGET', K.agent .. host, 'info') or '')
      labels = is_read and type(info) == 'table' and type(info.labels) == 'table' and info.labels or {}
    end
    return '{' .. tostring(labels[string.sub(name, 7)] or '') .. '}'
  end)
  return '{}' .. key
end

-- Makes `member` a holder of the key if there is room and no line; else puts it at the place `time` of the line. Returns
-- whether it holds the key.
local function join_key(key, limit, member, time, at, is_urgent)
  local room = redis.call('ZCARD', K.holders .. key) < limit
  if room and redis.call('EXISTS', K.line .. key) == 0 then
    -- jobs hold it in the order of their creation, executions since now
    redis.call('ZADD', K.holders .. key, int(string.sub(key, 1, 2) == '{}' and at or time), member)
    return true
  end
  redis.call('ZADD', K.line .. key, 'NX', int(time), member)
  if room or is_urgent then
    redis.call('ZADD', K.lines, int(at), key)
  else
    redis.call('ZADD', K.lines, 'NX', int(at + REVISIT), key)
  end
  return false
end

-- A job that holds a key without a placeholder, or is next in line; nil if there is a place. Those that have ended do not
-- count, nor do jobs without this key.
local function key_holder(terms)
  local holders = redis.call('ZRANGE', K.holders .. terms.key, 0, terms.limit)
  for i = #holders, 1, -1 do
    local record = redis.call('HMGET', K.job .. holders[i], 'status', 'conc')
    local held = key_terms(record[2])
    if not record[1] or FINAL[record[1]] or not held or held.key ~= terms.key then
      redis.call('ZREM', K.holders .. terms.key, holders[i])
      table.remove(holders, i)
    end
  end
  local waiting = redis.call('ZRANGE', K.line .. terms.key, 0, 0)[1]
  return waiting and (holders[1] or waiting) or (#holders >= terms.limit and holders[1] or nil)
end

-- The holder gives the key back; the next in line gets it from maintenance.
local function leave_key(key, member, at)
  redis.call('ZREM', K.line .. key, member)
  if redis.call('ZREM', K.holders .. key, member) == 1 then redis.call('ZADD', K.lines, 'XX', int(at), key) end
end

-- Before a claim is granted. Returns the reason for which the execution must be parked, and the field `key` for its record:
-- both nil if it may start and there is nothing to record. 'later': it is in the shared queue, and other hosts may start it.
local function take_key(id, slot, host, text, created, published, at)
  local terms = key_terms(text)
  if not terms then return nil end
  if not terms.is_each then
    if redis.call('ZSCORE', K.holders .. terms.key, id) then return nil end
    local is_in_line = redis.call('ZSCORE', K.line .. terms.key, id)
    if not is_in_line and join_key(terms.key, terms.limit, id, created, at, terms.policy == 'replace') then return nil end
    return 'key:' .. id
  end
  local key, member = key_on(terms, host), id .. ':' .. host
  if redis.call('ZSCORE', K.holders .. key, member) then return nil, key end
  if slot ~= host then -- it waits in no line: any host may start it
    if redis.call('ZCARD', K.holders .. key) >= terms.limit or redis.call('EXISTS', K.line .. key) == 1 then return 'later' end
    redis.call('ZADD', K.holders .. key, int(at), member)
    return nil, key
  end
  if join_key(key, terms.limit, member, published, at) then return nil, key end
  return 'each:' .. key
end

-- An execution runs no more.
local function leave_execution(id, slot, text, at)
  local terms = key_terms(text)
  if not (terms and terms.is_each) then return end
  local key = redis.call('HGET', K.exec .. slot .. ':' .. id, 'key')
  if not key then return end
  leave_key(key, id .. ':' .. slot, at)
  redis.call('HDEL', K.exec .. slot .. ':' .. id, 'key')
end

-- A job has ended, or is deleted.
local function leave_job(id, text, at)
  local terms = key_terms(text)
  if terms and not terms.is_each then leave_key(terms.key, id, at) end
end
