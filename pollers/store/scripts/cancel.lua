-- Cancels a poll: it never runs again, a running attempt is refused, its held task is due now.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> releases
--   KEYS[4] -> stats
--   KEYS[5] -> ended:<id>
--   KEYS[6] -> gates
--   KEYS[7] -> turns
--   KEYS[8] -> shares
--   KEYS[9] -> asking
--   ARGV[1] -> id of the poll
--
-- Output: `cancelled`; the terminal state it had reached before; or `unknown`.
--
-- Cost: O(log n) for n live polls.

local polls, schedule, releases, stats, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
traffic.gates, traffic.turns, traffic.shares, traffic.asking = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local id = ARGV[1]

local record = read_record(polls, id)
if not record then
  return ended_state(ended)
end
if ENDED_STATES[record[STATE]] then return record[STATE] end
if record[STATE] == 'running' then redis.call('HINCRBY', stats, 'abandoned', 1) end
local now = clock_ms()
record[STATE], record[ENDED] = 'cancelled', now
write_record(polls, id, record)
redis.call('ZREM', schedule, id)
return_share(id, now)
stop_asking(record, id, now)
save_gates()
redis.call('ZADD', releases, now, id)
redis.call('HINCRBY', stats, 'cancelled', 1)
return 'cancelled'
