-- Writes the list of pauses that claims read, from their records. A pause with a rate is `kind@burst,interval in microseconds`.
local function list_paused(pauses)
  local lines = {}
  for i = 1, #pauses, 2 do
    local kind, until_, length, rest = string.match(pauses[i + 1], '^([%l%d@,]+)|(%d*)|(%d+)|(.*)$')
    if kind and string.match(pauses[i], '^%x+$') then
      lines[#lines + 1] = pauses[i] .. '|' .. kind .. '|' .. until_ .. '|' .. string.sub(rest, 1, tonumber(length)) .. '\n'
    end
  end
  local text = table.concat(lines)
  -- claims fail while it is of another type, rather than start what is paused; maintenance writes it again
  if not is_sound('string', K.paused) then redis.call('DEL', K.paused) end
  if (redis.call('GET', K.paused) or '') == text then return end
  if text == '' then redis.call('DEL', K.paused) else redis.call('SET', K.paused, text) end
end
