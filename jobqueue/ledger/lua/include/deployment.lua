-- Counts a deployment, given its record, among those of its object. Records are written by agents.
local function count_use(record, by)
  local is_json, found = pcall(cjson.decode, record)
  if is_json and type(found) == 'table' and type(found.object) == 'string' then
    count(K.object_uses, found.object, by)
  end
end
-- Forgets all deployments of a host. Those of a record that is larger than it can be are not counted. Needs: record_size.
local function forget_deployments(host)
  local deployed = K.deployed .. host
  if not is_large(deployed) then
    for _, record in ipairs(redis.call('HVALS', deployed)) do count_use(record, -1) end
  end
  redis.call('UNLINK', deployed)
  redis.call('ZREM', K.deployed_hosts, host)
end
