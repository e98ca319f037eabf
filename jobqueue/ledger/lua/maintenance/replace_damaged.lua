-- Moves a damaged key that all components share aside, and starts a new one if it is a stream of events for notification rules.
-- include: clock
-- KEYS: none
-- ARGV: 1 now, 2 the key, 3 the type that it should have, 4 seconds to keep it aside, 5 milliseconds that the last id of a
--   stream may have at most, 6 how many fields a hash may have or ''
-- returns: '' (it is sound) | what is damaged
local key, found = ARGV[2], redis.call('TYPE', ARGV[2]).ok
local damage = ''
if found == 'none' then return '' end
if found ~= ARGV[3] then
  damage = 'held a ' .. found
elseif found == 'hash' and ARGV[6] ~= '' and redis.call('HLEN', key) > tonumber(ARGV[6]) then
  damage = 'held more counters than the ledger has'
elseif found == 'stream' then
  local about = 'STREAM' -- a subcommand, which is no key
  local facts = redis.call('XINFO', about, key)
  for i = 1, #facts, 2 do
    local milliseconds = facts[i] == 'last-generated-id' and tonumber(string.match(facts[i + 1], '^%d+'))
    if milliseconds and milliseconds > tonumber(ARGV[5]) then
      damage = 'had the last id ' .. facts[i + 1] .. ', after which no entry can be added'
    end
  end
end
if damage == '' then return '' end
redis.call('RENAME', key, K.spoiled .. key)
redis.call('EXPIRE', K.spoiled .. key, ARGV[4])
if key == K.notices or key == K.job_notices then begin_stream(key, int(clock(ARGV[1]))) end -- notes only go into one that exists
return damage
