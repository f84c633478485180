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
--   ARGV[2] -> id of the poll that has asked
--   ARGV[3] -> the attempt of it that has
--   ARGV[4] -> most polls to begin in one call
--   ARGV[5] -> ms that an attempt may take beyond its span before its lease runs out
--   ARGV[6] -> ms that a running attempt may settle after the deadline
--   ARGV[7] -> 1 when the answer is not kept for polls that are due but not parked yet, else 0
--
-- Output: {now, over, id, record, id, record, ...}: the moment in ms; 1 when the answer has been for all that it could be
--   for, or somebody else asks by now, else 0; and the polls that began.
--
-- Cost: O(m log n) for m polls, at most ARGV[4].

local polls, schedule = KEYS[1], KEYS[2]
stats = KEYS[3]
traffic.lots, traffic.flows, traffic.turns, traffic.asking = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local request, asker, attempt, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local margin, grace, kept = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '0'

local now, lot = clock_ms(), 'request:' .. request
local asking = read_asking(request)
if not asking or not is_asked_by(asking, asker, attempt) then return { now, 1 } end
if not asking[3] then
  asking[3] = now
  redis.call('HSET', traffic.asking, request, cmsgpack.pack(asking))
end

local begun = { now, 0 }
while (#begun - 2) / 2 < most and not is_empty(lot) do
  local waiting = peek(lot, most - (#begun - 2) / 2)
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

-- Whether a poll that was due when the answer came may still be on its way to it.
local function more_may_come()
  return kept and #redis.call('ZRANGEBYSCORE', schedule, '-inf', asking[3], 'LIMIT', 0, 1) > 0
end

if is_empty(lot) then redis.call('ZREM', traffic.turns, lot) end
if now >= asking[2] or is_empty(lot) and not more_may_come() then
  redis.call('HDEL', traffic.asking, request)
  begun[2] = 1
end
save_lots()
if #begun > 2 then
  redis.call('HINCRBY', stats, 'begun', (#begun - 2) / 2)
  redis.call('HINCRBY', stats, 'shared', (#begun - 2) / 2)
end
return begun
