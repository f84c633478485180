-- Pauses a poll: it is not attempted until `resume`, but still ends at its deadline.
--
-- An attempt that is under way goes on, and may end the poll.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> ended:<id>
--   KEYS[4] -> gates
--   KEYS[5] -> turns
--   KEYS[6] -> shares
--   KEYS[7] -> asking
--   KEYS[8] -> stats
--   ARGV[1] -> id of the poll
--
-- Output: the state of the poll, `paused` or `running` when it is paused; or `unknown`.
--
-- Cost: O(log n) for n live polls.

local polls, schedule, ended = KEYS[1], KEYS[2], KEYS[3]
stats = KEYS[8]
traffic.gates, traffic.turns, traffic.shares, traffic.asking = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local id = ARGV[1]

local record = read_record(polls, id)
if not record then
  return ended_state(ended)
end
if ENDED_STATES[record[STATE]] then return record[STATE] end
record[PAUSED] = 1
write_record(polls, id, record)
if record[STATE] == 'running' then return 'running' end
redis.call('ZADD', schedule, record[DEADLINE], id)
return_share(id, clock_ms())
stop_asking(record, id, clock_ms())
save_gates()
return 'paused'
