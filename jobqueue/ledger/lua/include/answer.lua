-- Keeps the answer of an execution, or removes it, by `place` (slot:job). Needs: short_answer.

local function forget_answer(place)
  redis.call('HDEL', K.exec .. place, unpack(PIECES))
  redis.call('DEL', K.out .. place)
end

local function keep_answer(place, out)
  forget_answer(place)
  local fields = short_answer(out)
  if fields then redis.call('HSET', K.exec .. place, unpack(fields)) else redis.call('SET', K.out .. place, out) end
end
