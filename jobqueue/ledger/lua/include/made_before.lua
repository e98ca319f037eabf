-- The answer to a change that was made before, as its entry among the newest ones shows: the answer was lost, so the
-- caller sent the script again. nil if it was not made.
local function made_before(word, seal, entry)
  if (entry or '') == '' or not is_sound('stream', K.audit) then return nil end
  for _, row in ipairs(redis.call('XREVRANGE', K.audit, '+', '-', 'COUNT', 16)) do
    local fields = {}
    for i = 1, #row[2], 2 do fields[row[2][i]] = row[2][i + 1] end
    if fields.seal == seal and fields.entry == entry then return {word, string.match(row[1], '%d+$'), fields.link} end
  end
end
