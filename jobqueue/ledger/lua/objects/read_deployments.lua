-- Reads the deployments of hosts.
-- include: record_size
-- KEYS: none
-- ARGV: 1.. hostnames
-- returns: per host: {path, record, ...}, or {'?'} for a record that is larger than it can be
local found = {}
for i = 1, #ARGV do
  local deployed = K.deployed .. ARGV[i]
  found[i] = is_large(deployed) and {'?'} or redis.call('HGETALL', deployed)
end
return found
