-- Resumes a poll that was paused.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> ended:<id>
--   KEYS[4] -> stats
--   ARGV[1] -> id of the poll
--   ARGV[2] -> ms from now until its next attempt is due
--
-- Output: the state of the poll, `waiting` or `running` when it is not paused any more; or `unknown`.
--
-- Cost: O(log n) for n live polls.

local polls, schedule, ended = KEYS[1], KEYS[2], KEYS[3]
stats = KEYS[4]
local id, delay = ARGV[1], tonumber(ARGV[2])

local record = read_record(polls, id)
if not record then
  return ended_state(ended)
end
if ENDED_STATES[record[STATE]] or record[PAUSED] == 0 then return record[STATE] end
record[PAUSED] = 0
write_record(polls, id, record)
if record[STATE] == 'waiting' then
  redis.call('ZADD', schedule, math.min(clock_ms() + delay, record[DEADLINE]), id)
end
return record[STATE]
