-- The size of records. An agent's user can write any number of fields, of any length, into those of its jobs: reading them
-- would hold up every other client, and whoever lists that job.

-- More fields, and more bytes, than the record of a job or of an execution has; an answer has at most 1 MiB.
local MOST_FIELDS, MOST_BYTES = 20000, 8 * 1024 * 1024

-- Whether a record is larger than it can be.
local function is_large(key)
  if redis.call('HLEN', key) > MOST_FIELDS then return true end
  local used = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', '0')
  return type(used) == 'number' and used > MOST_BYTES
end
