-- Ends a poll from outside: it is cancelled, or somebody knows how it came out.
--
-- It never runs again, a running attempt is refused, its held task is due now.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> releases
--   KEYS[4] -> stats
--   KEYS[5] -> ended:<id>
--   KEYS[6] -> suspect
--   KEYS[7] -> gates
--   KEYS[8] -> turns
--   KEYS[9] -> shares
--   KEYS[10] -> asking
--   ARGV[1] -> id of the poll
--   ARGV[2] -> terminal state that it gets
--   ARGV[3] -> outcome as JSON text, or empty
--   ARGV[4] -> ms from now for which a poll that is not known shall not be admitted; 0 when it may
--
-- Output: the terminal state that it has now, which may be one that it had reached before; or `unknown`.
--
-- Cost: O(log n) for n live polls.

local polls, schedule, releases, ended, suspect = KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[6]
stats = KEYS[4]
traffic.gates, traffic.turns, traffic.shares, traffic.asking = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local id, state, outcome, life = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local record = read_record(polls, id)
if not record then
  local known = ended_state(ended)
  if known == 'unknown' and life > 0 and redis.call('HEXISTS', polls, id) == 0 then
    -- No record: whoever asks hears that the poll is not known, as before.
    redis.call('SET', ended, '', 'PX', life)
  end
  return known
end
if ENDED_STATES[record[STATE]] then return record[STATE] end
if record[STATE] == 'running' then redis.call('HINCRBY', stats, 'abandoned', 1) end
local now = clock_ms()
record[STATE], record[OUTCOME], record[ENDED] = state, outcome, now
write_record(polls, id, record)
redis.call('ZREM', schedule, id)
return_share(id, now)
stop_asking(record, id, now)
save_gates()
redis.call('ZADD', releases, now, id)
if redis.call('GET', suspect) == id then redis.call('DEL', suspect) end
redis.call('HINCRBY', stats, state, 1)
return state
