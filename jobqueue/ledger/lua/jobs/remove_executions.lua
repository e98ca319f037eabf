-- Removes a slice of what is left of a deleted broadcast: the records of its executions, and its entries in lists by host.
-- include: clock index fetched
-- KEYS: none
-- ARGV: 1 job id, 2 how many executions
-- returns: 'more' | 'done'
local id = ARGV[1]
local found = redis.call('ZSCORE', K.removals, id)
if not found then return 'done' end
if type_of(K.removing .. id) ~= 'list' then redis.call('DEL', K.removing .. id) end
local slots = redis.call('LPOP', K.removing .. id, ARGV[2]) or {}
for _, slot in ipairs(slots) do
  local exec = K.exec .. slot .. ':' .. id
  local reason = found ~= '0' and is_sound('hash', exec) and redis.call('HGET', exec, 'parked')
  if reason then redis.call('ZREM', K.parked .. reason, id .. ':' .. slot) end
  redis.call('DEL', exec, K.out .. slot .. ':' .. id, K.log .. slot .. ':' .. id)
  forget_fetched(slot, id)
  redis.call('ZREM', broadcasts_of(slot), id)
  if found ~= '0' then -- it waited or ran, or is in the indexes of versions before
    redis.call('ZREM', K.waiting .. slot, id)
    for _, key in ipairs({K.due, K.leases}) do redis.call('ZREM', key, id .. ':' .. slot) end
    for _, status in ipairs(STATUSES) do redis.call('ZREM', K.index .. 'host:' .. slot .. '|' .. status, id) end
  end
end
if #slots == tonumber(ARGV[2]) then return 'more' end
redis.call('ZREM', K.removals, id)
return 'done'
