-- Begins the attempts of a pack: the fence in front of them.
--
-- An attempt begins when its poll waits for exactly this attempt and the deadline has not passed;
-- so of several copies of a message one counts, and a stale one none. The lease is renewed to
-- cover the attempt itself. Gates are kept here once more, as packs may have waited in a queue: those that were sent
-- one by one come together, an origin has shut meanwhile, a poll has given its share in a limit back. What may not begin
-- yet is put off, and no attempt is counted.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> stats
--   KEYS[4] -> queued:<queue>
--   KEYS[5] -> gates
--   KEYS[6] -> turns
--   KEYS[7] -> asking
--   KEYS[8] -> shares
--   ARGV[1] -> id of the pack
--   ARGV[2] -> ms that an attempt may take beyond its span before its lease runs out
--   ARGV[3] -> ms that a running attempt may settle after the deadline
--   ARGV[4] -> ms before its deadline at which a poll passes an open breaker; 0 when it does not
--   ARGV[5 + 3i], ARGV[6 + 3i], ARGV[7 + 3i] -> id, attempt and due time in ms of poll i (from 0)
--
-- Output: {now, id, record, id, record, ...}: the moment in ms, and the polls that began.
--
-- Cost: O(m log n) for the m polls of a pack, at most pollers_pack_size.

local polls, schedule, queued = KEYS[1], KEYS[2], KEYS[4]
stats = KEYS[3]
traffic.gates, traffic.turns, traffic.asking, traffic.shares = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local pack_id, margin, grace, last_call = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local now = clock_ms()
local begun, lateness, lateness_ms, refused = { now }, {}, 0, 0
local gated = redis.call('EXISTS', traffic.gates) == 1

-- Whether a poll has a share in its limit, if that counts what is in flight, or gets one now. It may have given that of
-- its dispatch back: it was paused and resumed, or its lease has run out.
local function has_share(limit, id)
  local gate = read_gate(limit)
  if not gate.rules.in_flight or redis.call('HGET', traffic.shares, id) == limit then return true end
  if is_full(gate) then return false end
  take_share(limit, id, now)
  return true
end

-- When a poll that a gate keeps from its attempt is due again; nil for one that may begin. What was due at a moment
-- keeps its place among those that wait at the gate.
local function put_off_until(id, record, due)
  local origin, limit = origin_of(record), limit_of(record)
  local gate = origin and read_gate(origin)
  if gate and is_shut(gate, now, record[DEADLINE] - last_call) then return due end
  if not limit then return nil end
  if not has_share(limit, id) then return due end
  local turn = rate_turn(read_gate(limit), 'begun')
  if turn > now then return math.min(math.ceil(turn), record[DEADLINE]) end
  pass_rate(change_gate(limit), 'begun', now)
  return nil
end

-- Whether a gate keeps a poll from its attempt; then it is put off.
local function is_kept(id, record, due)
  local later = gated and put_off_until(id, record, due)
  if not later then return false end
  return_share(id, now)
  redis.call('ZADD', schedule, later, id)
  return true
end

redis.call('ZREM', queued, pack_id)
local ids, places = {}, {}
for i = 5, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end
fetch_records(polls, ids)
for i = 5, #ARGV, 3 do
  local id, attempt, due = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local record = read_record(polls, id)
  local awaited = record and record[STATE] == 'waiting' and record[ATTEMPT] == attempt - 1
  if awaited and now < record[DEADLINE] and record[PAUSED] == 0 and not is_kept(id, record, due) then
    record[STATE], record[ATTEMPT] = 'running', attempt
    begun[#begun + 1] = id
    begun[#begun + 1] = write_record(polls, id, record)
    places[#places + 1] = math.min(now + record[SPAN] + margin, record[DEADLINE] + grace)
    places[#places + 1] = id
    start_asking(record, id, attempt, now + record[SPAN] + margin)
    -- Histogram of lateness with four buckets to a doubling: bucket b holds 2^(b/4) - 1 ms and more.
    local late = math.max(0, now - due)
    local bucket = math.floor(4 * math.log(late + 1) / math.log(2))
    lateness[bucket] = (lateness[bucket] or 0) + 1
    lateness_ms = lateness_ms + late
  else
    refused = refused + 1
    if awaited then stop_asking(record, id, now) end
  end
end

place(schedule, places)
if gated then save_gates() end
if #begun > 1 then redis.call('HINCRBY', stats, 'begun', (#begun - 1) / 2) end
if refused > 0 then redis.call('HINCRBY', stats, 'begin_refused', refused) end
if lateness_ms > 0 then redis.call('HINCRBY', stats, 'lateness_ms', lateness_ms) end
for bucket, count in pairs(lateness) do
  redis.call('HINCRBY', stats, 'lateness:' .. bucket, count)
end
return begun
