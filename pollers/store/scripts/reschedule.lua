-- Gives a poll another cadence or deadline: another spec, and another place in the schedule.
--
-- The next attempt is due when it was, or one wait of the new cadence from now, whichever is sooner. The spec
-- is only replaced where it is still the one that the new one was made of.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> ended:<id>
--   KEYS[4] -> stats
--   ARGV[1] -> id of the poll
--   ARGV[2] -> its spec as JSON text, as it was read
--   ARGV[3] -> the spec that it gets
--   ARGV[4] -> its new deadline in ms; 0 when that stays
--   ARGV[5] -> a wait of the new cadence in ms
--   ARGV[6] -> ms that an attempt may take beyond its span before its lease runs out
--   ARGV[7] -> ms that a running attempt may settle after the deadline
--
-- Output: the state of the poll, `waiting` or `running` when it is rescheduled; `changed` when its spec is another
--   one meanwhile; `late` when the new deadline has passed; or `unknown`.
--
-- Cost: O(log n) for n live polls.

local polls, schedule, ended = KEYS[1], KEYS[2], KEYS[3]
stats = KEYS[4]
local id, before, after, deadline, wait = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local margin, grace = tonumber(ARGV[6]), tonumber(ARGV[7])

local record = read_record(polls, id)
if not record then
  return ended_state(ended)
end
if ENDED_STATES[record[STATE]] then return record[STATE] end
if record[SPEC] ~= before then return 'changed' end
local now, old_deadline = clock_ms(), record[DEADLINE]
if deadline == 0 then deadline = old_deadline end
if deadline <= now then return 'late' end
record[SPEC], record[DEADLINE] = after, deadline
write_record(polls, id, record)

local due = tonumber(redis.call('ZSCORE', schedule, id) or now)
if record[STATE] == 'running' then
  due = math.min(now + record[SPAN] + margin, deadline + grace)
elseif record[PAUSED] == 1 then
  due = deadline
elseif is_dispatched(due) then
  -- On its way to a worker.
  due = math.min(due, deadline - HALF)
elseif due < old_deadline then
  due = math.min(due, now + wait, deadline)
elseif deadline ~= old_deadline then
  -- Parked, or waiting for its end only: it is looked at anew. With the old deadline it is left where it is.
  due = now
end
redis.call('ZADD', schedule, due, id)
return record[STATE]
