-- Opens the next executions of a job that is opened in steps: stores their records and publishes them.
-- include: clock next_time events notice status index batches rollout concurrency settle publish
-- KEYS: none
-- ARGV: 1 now, 2 job id, 3 how many at most, 4 message template or ''
-- returns: {'more' (call again) | 'cancel' (its rollout stopped, and what was opened must be cancelled) | '',
--   {"job:slot", priority, attempt, ...} of what was published}
local at, id = clock(ARGV[1]), ARGV[2]
local job = K.job .. id
if not (is_sound('hash', job) and is_sound('list', K.slots .. id)) then
  redis.call('ZREM', K.opening, id)
  return {'', {}}
end
local FIELDS = {'status', 'created', 'updated', 'op', 'opened', 'gate', 'opens', 'rest', 'paused', 'prio', 'not_before',
  'rollout', 'stopped', 'awaits', 'cancel'}
local COUNTED = #FIELDS
for _, state in ipairs(STATES) do FIELDS[#FIELDS + 1] = 'n.' .. state end

local function read()
  local found, record = redis.call('HMGET', job, unpack(FIELDS)), {counts = {}}
  for i = 1, COUNTED do record[FIELDS[i]] = found[i] end
  for i = 1, #STATES do record.counts[i] = found[COUNTED + i] end
  return record
end

local record = read()
if not record.opened or not record.status or FINAL[record.status] then
  redis.call('ZREM', K.opening, id)
  return {'', {}}
end
if record.rollout then -- after a repair, the counts may say something new
  local news = advance(id, at, record.counts, record.op)
  local status = settle(id, at, record.counts, {record.status, record.created, record.updated}, true)
  announce_all(id, status, at, news)
  if #news > 0 then record = read() end
end
local terms = terms_of(record.rollout)
if record.stopped and terms and terms.cancels and not record.cancel then return {'cancel', {}} end
if record.rest or record.stopped then
  redis.call('ZREM', K.opening, id)
  return {'', {}}
end
local opened, gate = num(record.opened), num(record.gate)
local is_due = not record.paused and at >= num(record.opens)
if opened >= gate or not is_due then
  local score = redis.call('ZSCORE', K.opening, id)
  if score and tonumber(score) <= at then -- what was due has been opened, or a repair listed the job
    local next_due = opened < gate and int(num(record.opens)) or RUNNING
    redis.call('ZADD', K.opening, record.paused and PAUSED or record.awaits and AWAITING or next_due, id)
  end
  return {'', {}}
end

local slots = redis.call('LRANGE', K.slots .. id, opened, math.min(gate, opened + tonumber(ARGV[3])) - 1)
if #slots == 0 then -- the list was altered
  redis.call('ZREM', K.opening, id)
  return {'', {}}
end
local hosts = 0
for i = 1, #STATES do hosts = hosts + num(record.counts[i]) end
local priority = math.max(0, math.min(9, math.floor(num(record.prio))))
local waits = record.not_before and num(record.not_before) > at
local time, published, template = tick(at), {}, parse_template(ARGV[4])
local texts = message_texts(template, id, '1', priority, time)
for _, slot in ipairs(slots) do
  redis.call('HSET', K.exec .. slot .. ':' .. id, 'state', 'submitted', 'attempt', '0', 'last', int(time))
  if waits then
    redis.call('ZADD', K.due, record.not_before, id .. ':' .. slot)
  else
    publish(texts and table.concat(texts, slot), id, slot, priority, time)
    for _, value in ipairs({id .. ':' .. slot, priority, 1}) do published[#published + 1] = value end
  end
end
redis.call('HSET', job, 'opened', int(opened + #slots))
list_under(slots, id, record.created)
if opened + #slots >= hosts then
  redis.call('ZREM', K.opening, id)
elseif opened + #slots >= gate then
  redis.call('ZADD', K.opening, RUNNING, id)
end
if terms then
  local number = int(batch_number(terms, gate))
  if redis.call('HSETNX', job, 'b' .. number, int(at) .. '|') == 1 then
    announce(id, record.status, int(at), 'batch_opened', '_api', number)
  end
end
return {opened + #slots < gate and 'more' or '', template and {} or published}
