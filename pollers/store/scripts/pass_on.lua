-- Lets another poll ask, now, for those that share a request: what this one has got is for itself alone.
--
-- Nothing happens when somebody else asks by now.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> stats
--   KEYS[3] -> turns
--   KEYS[4] -> asking
--   ARGV[1] -> id of the poll that has asked
--
-- Output: nothing.
--
-- Cost: O(log n) for n lots.

stats = KEYS[2]
traffic.turns, traffic.asking = KEYS[3], KEYS[4]
local polls, id = KEYS[1], ARGV[1]

local record = read_record(polls, id)
if record then stop_asking(record, id, clock_ms()) end
