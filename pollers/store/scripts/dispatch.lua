-- Takes what is due from the schedule: ends what is past its deadline, leases the rest into packs.
--
-- Nothing is removed from the schedule unless it ended: a leased poll is scored by the end of its
-- lease (less half a ms, see record.lua), a parked one by its deadline, so that whatever dies, the poll is looked at
-- again.
-- A due poll that may not go yet is parked, where it costs nothing per call: in the lot of its queue, when
-- packs are not begun as fast as they are sent; in the lot of a gate that is closed, or that others
-- wait at. A gate's lot is looked at when its turn comes.
-- A poll whose attempts keep dying with their workers ends as failed. Before that it is a suspect: in
-- a pack of its own, and one at a time, so that it takes no other poll with it each time.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> releases
--   KEYS[4] -> stats
--   KEYS[5] -> suspect
--   KEYS[6] -> gates
--   KEYS[7] -> turns
--   KEYS[8] -> lots
--   KEYS[9] -> flows
--   KEYS[10] -> shares
--   KEYS[11] -> rules
--   KEYS[12] -> outage
--   KEYS[13] -> asking
--   KEYS[14 + 2i], KEYS[15 + 2i] -> queued and workers of queue i (from 0)
--   ARGV[1] -> name of the calling worker
--   ARGV[2] -> ms after which a worker that does not call counts as gone
--   ARGV[3] -> lease of a dispatched poll in ms
--   ARGV[4] -> ms that a running attempt may settle after the deadline
--   ARGV[5] -> most polls to take in one call
--   ARGV[6] -> most polls in a pack
--   ARGV[7] -> packs that may be unbegun for each worker of a queue
--   ARGV[8] -> id of this call; packs are named by it
--   ARGV[9] -> attempts in a row that may die with their workers before the poll fails
--   ARGV[10] -> attempts in a row that have died when a poll is a suspect
--   ARGV[11] -> ms that an attempt may take beyond its span before its lease runs out
--   ARGV[12] -> ms before its deadline at which a poll passes an open breaker; 0 when it does not
--   ARGV[13] -> when the store's first poll was admitted, in ms, as far as the caller knows; -1 when it does not mind
--   ARGV[14 + 2i] -> name of queue i (from 0), empty for Celery's own routing
--   ARGV[15 + 2i] -> 1 when the calling worker consumes queue i, else 0
--
-- Output: {now, next, releasing, unknown, packs, unreadable, created, strangers, more, kept}: the moment of the call in
--   ms; when the next poll is due in ms, -1 for none; outcomes to be published now; names of queues met that were
--   not among the arguments; for each pack its id, queue and the flat list {id, attempt, due in ms, ...} of its polls;
--   ids of due polls whose records cannot be read; when the store's first poll was admitted, in ms, 0 before;
--   origins met that have no gate, while there are rules for gates; 1 when more is due than was looked at, else 0;
--   ids of polls that were due for their first attempt now, and wait at a gate.
--
-- Cost: O(m log n) for n live polls and m taken, m bounded by ARGV[5] for the schedule and as much
--   again for the lots.

local polls, schedule, releases, suspect = KEYS[1], KEYS[2], KEYS[3], KEYS[5]
traffic.gates, traffic.turns, traffic.lots, traffic.flows = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
stats, traffic.shares, traffic.asking = KEYS[4], KEYS[10], KEYS[13]
local rules, outage = KEYS[11], KEYS[12]
local worker, worker_life, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local grace, most, pack_size = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local backlog, call_id = tonumber(ARGV[7]), ARGV[8]
local most_crashes, suspicious, margin = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local last_call, known_created = tonumber(ARGV[12]), tonumber(ARGV[13])

-- Parked polls of a lot that are read at a time.
local CHUNK = 20
-- Overdue polls after an outage that are spread, and the longest time in ms that they are spread over.
local CROWD, LONGEST_REPLAY = 100, 10000
local MOST_TURNS = 100 -- gates that are looked at in one call
-- Due polls that are parked in one call at most: parking costs more than sending, and a call has to be short.
local MOST_PARKED = 100
local FETCHED = 100 -- records of due polls at a time

local now = clock_ms()

-- Redis was emptied, or has its first poll: before any goes, the caller sees to it that the limits are here.
local created = tonumber(redis.call('HGET', stats, 'created') or 0)
if known_created >= 0 and known_created ~= created then return { now, -1, 0, {}, {}, {}, created, {}, 1, {} } end

local unknown, unreadable, strangers, kept, queues = {}, {}, {}, {}, {}
local counts, crashed, packs_lost = {}, 0, 0
sending.now, sending.lease, sending.schedule, sending.suspect = now, lease, schedule, suspect
sending.call_id, sending.pack_size, sending.suspicious, sending.margin = call_id, pack_size, suspicious, margin
local newly_parked, last_seen, looked_at = 0, 0, 0
local gated = redis.call('EXISTS', traffic.gates, rules) > 0
local limited = gated and redis.call('EXISTS', traffic.shares) > 0
local learning = gated and redis.call('EXISTS', rules) > 0

for i = 0, (#ARGV - 13) / 2 - 1 do
  local queue = { name = ARGV[14 + 2 * i], queued = KEYS[14 + 2 * i], pack = nil }
  queue.lot = 'queue:' .. queue.name
  local workers = KEYS[15 + 2 * i]
  local latest = redis.call('ZRANGE', workers, -1, -1, 'WITHSCORES')
  last_seen = math.max(last_seen, tonumber(latest[2] or 0))
  if ARGV[15 + 2 * i] == '1' then redis.call('ZADD', workers, now, worker) end
  redis.call('ZREMRANGEBYSCORE', workers, '-inf', now - worker_life)
  packs_lost = packs_lost + redis.call('ZREMRANGEBYSCORE', queue.queued, '-inf', now)
  queue.workers = redis.call('ZCARD', workers)
  queue.room = backlog * queue.workers - redis.call('ZCARD', queue.queued)
  queues[queue.name] = queue
end

-- When all workers were gone, or Redis was, many polls have come due meanwhile. They do not go at once, but
-- at the distances that they would have gone: none is put off by more than its cadence, as each was due
-- first within one cadence after the outage began. Those of long cadences go at smaller distances.
local replay = redis.call('GET', outage)
replay = replay and cmsgpack.unpack(replay)
if last_seen > 0 and now - last_seen > worker_life and redis.call('ZCOUNT', schedule, '-inf', now) > CROWD then
  replay = { last_seen, now, math.min(now - last_seen, LONGEST_REPLAY) }
  redis.call('SET', outage, cmsgpack.pack(replay), 'PX', replay[3])
end

-- Puts off a poll that was due in an outage until its turn; false when it need not wait, as those that share a request.
local function is_put_off(id, record, due)
  if due < replay[1] or due >= replay[2] or record[REQUEST] ~= '' then return false end
  local later = due - replay[1]
  if later > LONGEST_REPLAY then later = later * replay[3] / (replay[2] - replay[1]) end
  local turn = replay[2] + math.floor(later)
  if turn <= now or turn >= record[DEADLINE] - last_call then return false end
  redis.call('ZADD', schedule, turn, id)
  return true
end

local function end_poll(id, record, state)
  if state == 'timed_out' then record[OUTCOME] = outcome_of_timeout(record) end
  record[STATE], record[ENDED] = state, now
  write_record(polls, id, record)
  redis.call('ZREM', schedule, id)
  redis.call('ZADD', releases, now, id)
  if redis.call('GET', suspect) == id then redis.call('DEL', suspect) end
  counts[state] = (counts[state] or 0) + 1
end

-- Whether an entry of a lot still stands: not when its poll was cancelled, nudged, paused, or went out.
local function is_parked(id, record)
  if not record or record[STATE] ~= 'waiting' or record[PAUSED] == 1 or now >= record[DEADLINE] then return false end
  local score = tonumber(redis.call('ZSCORE', schedule, id) or -1)
  return score == record[DEADLINE] or score == record[DEADLINE] - last_call and now < score
end

-- Parks a poll in a lot; the lot of a gate gets its turn.
local function set_aside(lot, turn, id, record, due)
  if turn and is_empty(lot) then redis.call('ZADD', traffic.turns, turn, lot) end
  park(lot, id, record, due)
  newly_parked = newly_parked + 1
  redis.call('ZADD', schedule, parked_until(record, turn and read_gate(lot), now, last_call), id)
end

-- Parks a poll at the gate that is closed to it, if one is. What is in the lot of a queue has passed its
-- gates; it goes back when its origin has shut meanwhile.
local function stopped_at_a_gate(id, record, due, from, queue)
  local closed, turn
  if from == queue.lot then
    local origin = origin_of(record)
    local gate = origin and read_gate(origin)
    if not gate or not is_shut(gate, now, record[DEADLINE] - last_call) then return false end
    return_share(id, now)
    closed, turn = origin, origin_turn(gate, now, math.huge)
  else
    closed, turn = closed_gate(record, from, now, last_call)
  end
  if closed and not from and record[ATTEMPT] == 0 then kept[#kept + 1] = id end
  if closed and closed ~= from then set_aside(closed, turn, id, record, due) end
  return closed
end

-- Sends a due poll on its way, or parks it; `from` is the lot that it comes from. False when it stays as it is.
local function send_or_park(id, record, due, from)
  local queue = queues[record[QUEUE]]
  if not queue then
    unknown[#unknown + 1] = record[QUEUE]
    return false
  end
  if record[REQUEST] ~= '' then
    local lot, turn = request_lot(record), awaited_until(record[REQUEST], due)
    if turn > now then
      if from == lot then return false end
      if from == queue.lot then return_share(id, now) end
      set_aside(lot, turn, id, record, due)
      return true
    end
  end
  if gated then
    if learning and is_stranger(record) then
      strangers[#strangers + 1] = record[ORIGIN]
      return false
    end
    local closed = stopped_at_a_gate(id, record, due, from, queue)
    if closed then return closed ~= from end
    if from ~= queue.lot then pass_gates(id, record, now, now + lease + record[SPAN] + margin) end
  end
  if from == queue.lot or is_empty(queue.lot) then
    if lease_poll(queue, id, record, due) then
      start_asking(record, id, record[ATTEMPT] + 1, now + lease)
      return true
    end
    if from == queue.lot then return false end
  end
  set_aside(queue.lot, nil, id, record, due)
  return true
end

-- Takes polls out of a lot, in turn, while they can go; returns how many were looked at.
local function empty_lot(name, goes_on)
  local looked_at, stuck = 0, false
  while not stuck and not is_empty(name) and looked_at < most and goes_on() do
    local waiting, stayed = peek(name, CHUNK), 0
    for _, parked in ipairs(waiting) do
      if not goes_on() then break end
      local id, record = parked[2], read_record(polls, parked[2])
      looked_at = looked_at + 1
      if not is_parked(id, record) or send_or_park(id, record, parked[3], name) then
        unpark(name, parked)
      else
        stayed = stayed + 1
      end
    end
    if #waiting == 0 then count_anew(name) end
    stuck = stayed > 0
  end
  return looked_at
end

-- What has happened to a poll that is due: true when it waits for an attempt.
local function wants_attempt(id, record)
  if limited then return_share(id, now) end
  stop_asking(record, id, now)
  if ENDED_STATES[record[STATE]] then
    redis.call('ZREM', schedule, id)
  elseif record[STATE] == 'running' and now < record[DEADLINE] + grace then
    if now >= record[DEADLINE] then
      redis.call('ZADD', schedule, record[DEADLINE] + grace, id)
      return false
    end
    -- The lease of a begun attempt ran out: its worker died, hangs or is cut off.
    record[STATE], record[CRASHES] = 'waiting', record[CRASHES] + 1
    crashed = crashed + 1
    if record[CRASHES] >= most_crashes then
      end_poll(id, record, 'failed')
    else
      write_record(polls, id, record)
    end
  elseif now >= record[DEADLINE] then
    if record[STATE] == 'running' then counts.abandoned = (counts.abandoned or 0) + 1 end
    end_poll(id, record, record[LAPSE])
  end
  if record[STATE] ~= 'waiting' or now >= record[DEADLINE] then return false end
  if record[PAUSED] == 1 then
    redis.call('ZADD', schedule, record[DEADLINE], id)
    return false
  end
  return true
end

local function fetch_due(due_polls, first)
  local ids = {}
  for i = first, math.min(first + 2 * FETCHED, #due_polls) - 1, 2 do ids[#ids + 1] = due_polls[i] end
  fetch_records(polls, ids)
end

-- What is due goes behind those who wait already, where some do.
local due_polls = redis.call('ZRANGEBYSCORE', schedule, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most)
for i = 1, #due_polls, 2 do
  if newly_parked >= MOST_PARKED then break end
  if i % (2 * FETCHED) == 1 then fetch_due(due_polls, i) end
  looked_at = i + 1
  local id, due = due_polls[i], math.ceil(tonumber(due_polls[i + 1]))
  local record = read_record(polls, id)
  if record then
    if wants_attempt(id, record) and not (replay and is_put_off(id, record, due)) then send_or_park(id, record, due) end
  elseif redis.call('HEXISTS', polls, id) == 1 then
    -- Damaged or of a newer version: out of the way, and looked at again by who can read it.
    redis.call('ZADD', schedule, now + 4 * lease, id)
    unreadable[#unreadable + 1] = id
  else
    if limited then return_share(id, now) end
    redis.call('ZREM', schedule, id)
  end
end
place(schedule, sending.places)
sending.places = nil

local left = most
local turns = redis.call('ZRANGEBYSCORE', traffic.turns, '-inf', now, 'LIMIT', 0, MOST_TURNS)
for _, name in ipairs(turns) do
  left = left - empty_lot(name, function() return lot_turn(name, now) <= now and left > 0 end)
  if is_empty(name) then
    redis.call('ZREM', traffic.turns, name)
  else
    redis.call('ZADD', traffic.turns, math.max(lot_turn(name, now), now + 1), name)
  end
end

for _, queue in pairs(queues) do
  empty_lot(queue.lot, function() return has_room(queue) end)
end

if gated then save_gates() end
save_lots()
count_packs(counts)
count_damage('crashed', crashed)
count_damage('packs_lost', packs_lost)
for counter, count in pairs(counts) do
  if count > 0 then redis.call('HINCRBY', stats, counter, count) end
end
local more = looked_at < #due_polls or #due_polls == 2 * most or #turns == MOST_TURNS
local first = redis.call('ZRANGE', schedule, 0, 0, 'WITHSCORES')
local turn = redis.call('ZRANGE', traffic.turns, 0, 0, 'WITHSCORES')
local next_due = math.ceil(math.min(tonumber(first[2] or math.huge), tonumber(turn[2] or math.huge)))
return {
  now, next_due < math.huge and next_due or -1, redis.call('ZCOUNT', releases, '-inf', now), unknown, sending.packs,
  unreadable, created, strangers, more and 1 or 0, kept,
}
