-- Which agents support a job: its operation, and the operations within its data (lines, or '').

-- Whether the agent supports all of them.
local function offers_all(host, op, inner)
  if redis.call('SISMEMBER', K.offers .. op, host) == 0 then return false end
  for one in string.gmatch(inner or '', '[^\n]+') do
    if redis.call('SISMEMBER', K.offers .. one, host) == 0 then return false end
  end
  return true
end
