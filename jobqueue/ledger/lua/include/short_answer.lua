-- The result or progress of an execution, by `place` (slot:job). A short one is stored in the execution's hash, in
-- fields short enough for Redis' compact encoding: a separate key would take more room than most answers themselves.
local PIECE, PIECES = 60, {'o1', 'o2', 'o3'}

-- The fields that hold a short answer, with their values; or nil for one that needs a key of its own.
local function short_answer(out)
  if #out > PIECE * #PIECES then return nil end
  for i = 1, #PIECES - 1 do -- no cut may be within a character, whose bytes but the first are 128 to 191
    local following = string.byte(out, i * PIECE + 1)
    if following and following >= 128 and following < 192 then return nil end
  end
  local fields = {}
  for i = 1, #PIECES do
    local name, piece = PIECES[i], string.sub(out, (i - 1) * PIECE + 1, i * PIECE)
    if piece == '' then break end
    fields[#fields + 1] = name
    fields[#fields + 1] = piece
  end
  return fields
end
