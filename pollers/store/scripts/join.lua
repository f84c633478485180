-- Begins the attempts of polls that wait for the answer to a request that one of them has made.
--
-- Each has an attempt of its own, with its number, and settles by itself.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> stats
--   KEYS[4] -> lots
--   KEYS[5] -> flows
--   KEYS[6] -> turns
--   KEYS[7] -> asking
--   ARGV[1] -> the request
--   ARGV[2] -> most polls to begin in one call
--   ARGV[3] -> ms that an attempt may take beyond its span before its lease runs out
--   ARGV[4] -> ms that a running attempt may settle after the deadline
--   ARGV[5] -> 1 when the next poll that is due makes a new request, if nobody waits any more; else 0
--
-- Output: {now, id, record, id, record, ...}: the moment in ms, and the polls that began.
--
-- Cost: O(m log n) for m polls, at most ARGV[2].

local polls, schedule = KEYS[1], KEYS[2]
stats = KEYS[3]
traffic.lots, traffic.flows, traffic.turns, traffic.asking = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local request, most, margin, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local now, lot = clock_ms(), 'request:' .. request
local begun = { now }
while (#begun - 1) / 2 < most and not is_empty(lot) do
  local waiting = peek(lot, most - (#begun - 1) / 2)
  if #waiting == 0 then break end
  for _, parked in ipairs(waiting) do
    local id, record = parked[2], read_record(polls, parked[2])
    unpark(lot, parked)
    local score = tonumber(redis.call('ZSCORE', schedule, id) or -1)
    -- An entry of the lot is stale when its poll was nudged, paused or cancelled, or has ended.
    if record and record[STATE] == 'waiting' and record[PAUSED] == 0 and score == record[DEADLINE] and now < score then
      record[STATE], record[ATTEMPT] = 'running', record[ATTEMPT] + 1
      begun[#begun + 1] = id
      begun[#begun + 1] = write_record(polls, id, record)
      redis.call('ZADD', schedule, math.min(now + record[SPAN] + margin, record[DEADLINE] + grace), id)
    end
  end
end

if is_empty(lot) then
  redis.call('ZREM', traffic.turns, lot)
  if ARGV[5] == '1' then redis.call('HDEL', traffic.asking, request) end
end
save_lots()
if #begun > 1 then
  redis.call('HINCRBY', stats, 'begun', (#begun - 1) / 2)
  redis.call('HINCRBY', stats, 'shared', (#begun - 1) / 2)
end
return begun
