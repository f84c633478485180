-- Makes the next attempt of a poll due now; while one is under way, as soon as that has settled. One that is
-- dispatched already is left on its way.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> ended:<id>
--   KEYS[4] -> stats
--   KEYS[5] -> nudged
--   ARGV[1] -> id of the poll
--
-- Output: the state of the poll, `waiting` or `running` when it was nudged; `paused` when it was not, as it is paused,
--   even while an attempt is under way; or `unknown`.
--
-- Cost: O(log n) for n live polls.

local polls, schedule, ended, nudged = KEYS[1], KEYS[2], KEYS[3], KEYS[5]
stats = KEYS[4]
local id = ARGV[1]

-- Ms that a nudge is remembered for: longer than an attempt takes.
local MEMORY = 3600000

local record = read_record(polls, id)
if not record then
  return ended_state(ended)
end
if record[PAUSED] == 1 and not ENDED_STATES[record[STATE]] then return 'paused' end
if record[STATE] == 'waiting' then
  -- What is on its way to a worker begins after the nudge anyway; sent twice, it would give its share in a limit away.
  if not is_dispatched(tonumber(redis.call('ZSCORE', schedule, id) or 0)) then
    -- LT: a poll that is due already keeps its place among the others that are.
    redis.call('ZADD', schedule, 'LT', clock_ms(), id)
  end
elseif record[STATE] == 'running' then
  -- What the nudge is about may have happened after the endpoint has answered.
  redis.call('SADD', nudged, id)
  redis.call('PEXPIRE', nudged, MEMORY)
end
return record[STATE]
