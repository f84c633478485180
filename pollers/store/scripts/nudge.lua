-- Makes the next attempt of a waiting poll due now.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> ended:<id>
--   KEYS[4] -> stats
--   ARGV[1] -> id of the poll
--
-- Output: the state of the poll, `waiting` when it was nudged; or `unknown`.
--
-- Cost: O(log n) for n live polls.

local polls, schedule, ended = KEYS[1], KEYS[2], KEYS[3]
stats = KEYS[4]
local id = ARGV[1]

local record = read_record(polls, id)
if not record then
  return ended_state(ended)
end
if record[STATE] == 'waiting' then
  -- LT: a poll that is due already keeps its place among the others that are.
  redis.call('ZADD', schedule, 'LT', clock_ms(), id)
end
return record[STATE]
