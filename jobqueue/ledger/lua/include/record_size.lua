-- The size of records. An agent's user can write any number of fields, of any length, into those of its jobs: reading them
-- would hold up every other client, and each one that lists that job.

-- More fields, and more bytes, than the record of a job or of an execution has; an answer has at most 1 MiB.
local MOST_FIELDS, MOST_BYTES = 20000, 8 * 1024 * 1024
-- More bytes than the states of an agent have.
local MOST_LOG_BYTES = 64 * 1024

-- Whether a key takes more memory than so many bytes.
local function takes_more(key, bytes)
  local used = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', '0')
  return type(used) == 'number' and used > bytes
end

-- Whether a record is larger than it can be.
local function is_large(key)
  return redis.call('HLEN', key) > MOST_FIELDS or takes_more(key, MOST_BYTES)
end
