-- Accepts a poll: its record and its place in the schedule, or neither.
--
-- When many are admitted at once for one origin, the first attempts of those beyond the first hundred in a second are
-- spread over their cadence; those that share a request wait for the tick of their cadence.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> stats
--   KEYS[4] -> queues
--   KEYS[5] -> ended:<id>
--   KEYS[6] -> admissions:<origin>
--   ARGV[1] -> id of the poll
--   ARGV[2] -> queue, empty for Celery's own routing
--   ARGV[3] -> spec as JSON text
--   ARGV[4] -> options of the held task as JSON text, or empty
--   ARGV[5] -> longest time of one attempt in ms
--   ARGV[6] -> terminal state when the deadline passes
--   ARGV[7] -> ms from now until the first attempt is due
--   ARGV[8] -> ms from now until the deadline; -1 when the next argument says it
--   ARGV[9] -> deadline in ms since the epoch; used when the one before is -1
--   ARGV[10] -> origin of its endpoint
--   ARGV[11] -> name of the limit that it asks for, empty for that of its origin
--   ARGV[12] -> priority: 0 high, 1 normal, 2 low
--   ARGV[13] -> tenant, or empty
--   ARGV[14] -> ms by which the first attempt may be put off when many are admitted; 0 when it may not
--   ARGV[15] -> a number from 0 to 1 at random, for that
--   ARGV[16] -> digest of its request when it shares answers, else empty
--
-- Output: {1, now, deadline} when admitted, {0, now, 0} when a poll of this id is known already,
--   {-1, now, deadline} when the deadline has passed by Redis' clock; moments in ms.
--
-- Cost: O(log n) for n live polls.

local polls, schedule, stats, queues, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, queue, spec, held = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local span, lapse = tonumber(ARGV[5]), ARGV[6]
local delay, timeout, deadline = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local spread, draw = tonumber(ARGV[14]), tonumber(ARGV[15])
local origin, limit, priority, tenant = ARGV[10], ARGV[11], tonumber(ARGV[12]), ARGV[13]

-- Polls of one origin that may be admitted within `SECOND` ms before they are a crowd.
local CROWD, SECOND = 100, 1000

local function in_a_crowd(admissions)
  local number = redis.call('INCR', admissions)
  if number == 1 then redis.call('PEXPIRE', admissions, SECOND) end
  return number > CROWD
end

local now = clock_ms()
if redis.call('HEXISTS', polls, id) == 1 or redis.call('EXISTS', ended) == 1 then
  return { 0, now, 0 }
end
if timeout >= 0 then deadline = now + timeout end
if deadline <= now then
  return { -1, now, deadline }
end

write_record(polls, id, {
  KNOWN_VERSION, 'waiting', 0, now, deadline, span, lapse, queue, spec, held, '', '', '', 0, 0, 0,
  origin, limit, priority, tenant, 0, ARGV[16],
})
if spread > 0 and in_a_crowd(KEYS[6]) then
  delay = delay + (ARGV[16] == '' and math.floor(draw * spread) or spread - now % spread)
end
redis.call('ZADD', schedule, math.min(now + delay, deadline), id)
if redis.call('HINCRBY', stats, 'admitted', 1) == 1 then
  -- Tells this store from one that comes after it, when Redis has lost what it had.
  redis.call('HSETNX', stats, 'created', now)
end
if queue ~= '' then redis.call('SADD', queues, queue) end
return { 1, now, deadline }
