-- Calls a function for each group of `size` arguments in the places `first` to `last`; returns its answers. An error in one call is the
-- answer {'error', why}, and all others are made; what a call has written before its error stays. Needs: transition.
local function each_apart(call, first, last, size)
  local answers = {}
  for i = first, last, size do
    local is_made, answer = pcall(call, unpack(ARGV, i, i + size - 1))
    if not is_made then
      local why = type(answer) == 'table' and answer.err or tostring(answer)
      answer = {'error', (string.gsub(why, '^@user_script: ?%d+: ', ''))} -- before Redis 7, with the line
    end
    answers[#answers + 1] = answer
  end
  store_measured()
  return answers
end
