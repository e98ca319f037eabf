-- Reads a part of a broadcast's executions, in the order of its slots.
-- include: record_size read_executions
-- KEYS: none
-- ARGV: 1 job id, 2 number of slots to pass over, 3 how many slots to look at, 4 how many executions to read at most,
--   5 number of bytes of answers after which no further execution is read, 6.. only executions in one of these states (none: all)
-- returns: {number of slots up to the last one looked at, number of executions of the job,
--   {slot, {field, value, ...}, separately stored result or false, ...}, {number of slots up to each of them}, {field, value, ...} of
--   the job: how the executions without a record stand} | false (no such job)
local id, first = ARGV[1], tonumber(ARGV[2])
if redis.call('EXISTS', K.job .. id) == 0 then return false end
local slots = redis.call('LRANGE', K.slots .. id, first, first + tonumber(ARGV[3]) - 1)
local held, rest = {}, 'submitted'
for _, field in ipairs({'opened', 'rest', 'rollout'}) do
  local value = redis.call('HGET', K.job .. id, field)
  if value then held[#held + 1], held[#held + 2] = field, value end
  if value and field == 'rest' then rest = string.match(value, '^[^|]*') end
end
local wanted = {}
for i = 6, #ARGV do wanted[ARGV[i]] = true end
local matching, places = {}, {}
for i, slot in ipairs(slots) do
  if not ARGV[6] or wanted[redis.call('HGET', K.exec .. slot .. ':' .. id, 'state') or rest] then
    matching[#matching + 1], places[#places + 1] = slot, first + i
  end
end
local executions, count = read_executions(id, matching, tonumber(ARGV[4]), tonumber(ARGV[5]))
-- what matches but was not read comes next
local looked = places[count + 1] and places[count + 1] - 1 or first + #slots
return {looked, redis.call('LLEN', K.slots .. id), executions, {unpack(places, 1, count)}, held}
