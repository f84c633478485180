-- Notes that the changes of a poll's answers which an attempt had found have been told.
--
-- What the attempt left is replaced by the same without them, unless a later attempt has left something
-- else meanwhile: that one tells them again. The texts are compared, not read.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> stats
--   ARGV[1] -> id of the poll
--   ARGV[2] -> progress as JSON text, with the changes
--   ARGV[3] -> progress as JSON text, without them, or empty
--
-- Output: 1 when noted, 0 when there was nothing to note.
--
-- Cost: O(1).

local polls = KEYS[1]
stats = KEYS[2]
local id, before, after = ARGV[1], ARGV[2], ARGV[3]

local record = read_record(polls, id)
if not record or record[PROGRESS] ~= before then return 0 end
record[PROGRESS] = after
write_record(polls, id, record)
return 1
