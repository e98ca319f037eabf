-- The result or progress of an execution, by `place` (slot:job). A short one is stored in the execution's hash, in
-- fields short enough for Redis' compact encoding: a separate key would take more room than most answers themselves.
local PIECE, PIECES = 60, {'o1', 'o2', 'o3'}

local function forget_answer(place)
  redis.call('HDEL', K.exec .. place, unpack(PIECES))
  redis.call('DEL', K.out .. place)
end

local function keep_answer(place, out)
  forget_answer(place)
  -- splitting a text that is not ASCII could cut a character in two
  if #out > PIECE * #PIECES or string.find(out, '[\128-\255]') then
    redis.call('SET', K.out .. place, out)
    return
  end
  local fields = {}
  for i, name in ipairs(PIECES) do
    local piece = string.sub(out, (i - 1) * PIECE + 1, i * PIECE)
    if piece == '' then break end
    fields[#fields + 1] = name
    fields[#fields + 1] = piece
  end
  redis.call('HSET', K.exec .. place, unpack(fields))
end
