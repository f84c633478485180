-- Settles attempts: each poll goes back to the schedule with its next due time, or ends.
--
-- The fence behind an attempt: only the attempt that is running may settle, so a result that comes
-- after its lease was taken over, after a cancel or after the deadline is refused. A poll that ends
-- here is leased to the caller, who publishes its held task; should the caller die, `release` does.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> releases
--   KEYS[4] -> stats
--   KEYS[5] -> suspect
--   KEYS[6] -> gates
--   KEYS[7] -> turns
--   KEYS[8] -> shares
--   KEYS[9] -> nudged
--   KEYS[10 + i] -> history:<id> of the poll of attempt i (from 0)
--   ARGV[1] -> ms that the caller has to publish the held tasks of polls that end
--   ARGV[2] -> a number from 0 to 1 at random, for what must not happen everywhere at once
--   ARGV[3] -> attempts that a history has at least
--   ARGV[4 + i] -> settled attempt i as a MessagePack array: id, attempt, state (`waiting`,
--     `succeeded` or `failed`), next due time in ms, progress, answer, outcome, ms that the
--     origin asked to be left alone (0 when it did not), whether the attempt met trouble (nil when it says nothing new
--     of that: it made no request of its own, or had too little time for one), its entry in the history, or empty
--
-- Output: {results, changes}: one result per attempt: 0 refused, 1 waiting again, or the packed record of a poll
--   that ended; the flat list {origin, change, ...} of origins that are `held` now, or whose breaker is
--   `open` or `closed`.
--
-- Cost: O(m log n) for m attempts, at most pollers_concurrency.

local polls, schedule, releases, suspect = KEYS[1], KEYS[2], KEYS[3], KEYS[5]
stats = KEYS[4]
traffic.gates, traffic.turns, traffic.shares = KEYS[6], KEYS[7], KEYS[8]
local lease, draw, remembered = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

-- Entries by which a history may be longer than it has to be, so that it is cut once in so many attempts. Python
-- writes an entry that needs none before it as often (pollers/store/history.py).
local STRETCH = 10

local now = clock_ms()
local results, changes, counts = {}, {}, {}
local gated = redis.call('EXISTS', traffic.gates) == 1
local nudged = redis.call('EXISTS', KEYS[9]) == 1

local function count(counter)
  counts[counter] = (counts[counter] or 0) + 1
end

-- Lets the gates of a poll know how its attempt went.
local function tell_gates(id, record, hold, trouble)
  if gated then return_share(id, now) end
  local origin, change = record[ORIGIN], nil
  if origin == '' then return end
  if hold > 0 and hold_origin(origin, now, hold) then
    gated, change = true, 'held'
  elseif gated and trouble ~= nil then
    change = tell_breaker(origin, trouble, now, draw)
  elseif gated then
    return_trial(origin, id, now)
  end
  if change then
    changes[#changes + 1], changes[#changes + 2] = origin, change
    count('origins_' .. change)
    -- Who waits at this gate has another turn now: not only when trials that never came back are given up.
    local name = 'origin:' .. origin
    local turn = change == 'closed' and now or change == 'open' and read_gate(name).open_until
    if turn then redis.call('ZADD', traffic.turns, 'XX', 'LT', turn, name) end
  end
end

local function remember(history, entry)
  if redis.call('RPUSH', history, entry) >= remembered + STRETCH then
    redis.call('LTRIM', history, -remembered, -1)
  end
end

local settled, ids, places = {}, {}, {}
for i = 4, #ARGV do
  settled[i - 3] = cmsgpack.unpack(ARGV[i])
  ids[i - 3] = settled[i - 3][1]
end
fetch_records(polls, ids)
for i = 1, #settled do
  -- By the number of fields: one of them may be nil.
  local id, attempt, state, due, progress, answer, outcome, hold, trouble, entry = unpack(settled[i], 1, 10)
  local record = read_record(polls, id)
  if not record or record[STATE] ~= 'running' or record[ATTEMPT] ~= attempt then
    results[i] = 0
    count('settle_refused')
    if record and not ENDED_STATES[record[STATE]] then count_damage('overtaken', 1) end
    if record and record[CRASHES] > 0 and attempt <= record[ATTEMPT] then
      -- Late, but its worker lives: the poll is slow, and does not crash what attempts it.
      record[CRASHES] = record[CRASHES] - 1
      write_record(polls, id, record)
    end
  else
    record[STATE], record[PROGRESS], record[ANSWER], record[OUTCOME] = state, progress, answer, outcome
    if record[CRASHES] > 0 then
      record[CRASHES] = 0
      if redis.call('GET', suspect) == id then redis.call('DEL', suspect) end
    end
    if nudged and redis.call('SREM', KEYS[9], id) == 1 then due = now end
    if state == 'waiting' then
      write_record(polls, id, record)
      places[#places + 1], places[#places + 2] = math.min(due, record[DEADLINE]), id
      results[i] = 1
    else
      record[ENDED] = now
      results[i] = write_record(polls, id, record)
      redis.call('ZREM', schedule, id)
      redis.call('ZADD', releases, now + lease, id)
      count(state)
    end
    if entry ~= '' then remember(KEYS[i + 9], entry) end
    count('settled')
    if trouble then count('troubled') end
    if gated or hold > 0 then tell_gates(id, record, hold, trouble) end
  end
end

place(schedule, places)
if gated then save_gates() end
for counter, number in pairs(counts) do
  redis.call('HINCRBY', stats, counter, number)
end
return { results, changes }
