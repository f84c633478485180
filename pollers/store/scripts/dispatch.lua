-- Takes what is due from the schedule: ends what is past its deadline, leases the rest into packs.
--
-- Nothing is removed from the schedule unless it ended: a leased poll is scored by the end of its
-- lease, a parked one by its deadline, so that whatever dies, the poll is looked at again.
-- For each queue the longest overdue polls go first; when its packs are not begun as fast as they
-- are sent, due polls are parked in the queue's overdue set, where they cost nothing per call.
-- A poll whose attempts keep dying with their workers ends as failed. Before that it is a suspect: in
-- a pack of its own, and one at a time, so that it takes no other poll with it each time.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> releases
--   KEYS[4] -> stats
--   KEYS[5] -> suspect
--   KEYS[6 + 3i], KEYS[7 + 3i], KEYS[8 + 3i] -> queued, overdue and workers of queue i (from 0)
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
--   ARGV[12 + 2i] -> name of queue i (from 0), empty for Celery's own routing
--   ARGV[13 + 2i] -> 1 when the calling worker consumes queue i, else 0
--
-- Output: {now, next, releasing, unknown, packs, unreadable, created}: the moment of the call in ms; when the next poll is
--   due in ms, -1 for none; outcomes to be published now; names of queues met that were not among the arguments;
--   for each pack its id, queue and the flat list {id, attempt, due in ms, ...} of its polls; ids of
--   due polls whose records cannot be read; when the store's first poll was admitted, in ms, 0 before.
--
-- Cost: O(m log n) for n live polls and m taken, m bounded by ARGV[5] for the schedule and as much
--   again for the overdue sets.

local polls, schedule, releases, stats, suspect = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local worker, worker_life, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local grace, most, pack_size = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local backlog, call_id = tonumber(ARGV[7]), ARGV[8]
local most_crashes, suspicious, margin = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])

-- Between two looks whether a suspect may be dispatched, in ms.
local SUSPECT_PAUSE = 100

local now = clock_ms()
local packs, unknown, unreadable, queues = {}, {}, {}, {}
local counts = { dispatched = 0, crashed = 0 }

for i = 0, (#ARGV - 11) / 2 - 1 do
  local queue = {
    name = ARGV[12 + 2 * i], queued = KEYS[6 + 3 * i], overdue = KEYS[7 + 3 * i], pack = nil,
  }
  local workers = KEYS[8 + 3 * i]
  if ARGV[13 + 2 * i] == '1' then redis.call('ZADD', workers, now, worker) end
  redis.call('ZREMRANGEBYSCORE', workers, '-inf', now - worker_life)
  redis.call('ZREMRANGEBYSCORE', queue.queued, '-inf', now)
  queue.room = backlog * redis.call('ZCARD', workers) - redis.call('ZCARD', queue.queued)
  queues[queue.name] = queue
end

-- Opens a pack in the queue where there is room; nil when there is none.
local function open_pack(queue)
  if queue.room <= 0 then return nil end
  queue.room = queue.room - 1
  local pack, pack_id = {}, call_id .. '.' .. #packs
  packs[#packs + 1] = { pack_id, queue.name, pack }
  redis.call('ZADD', queue.queued, now + lease, pack_id)
  return pack
end

local function add_to_pack(pack, id, record, due)
  local size = #pack
  pack[size + 1], pack[size + 2], pack[size + 3] = id, record[ATTEMPT] + 1, due
  redis.call('ZADD', schedule, math.min(now + lease, record[DEADLINE]), id)
  counts.dispatched = counts.dispatched + 1
end

-- Leases a poll into a pack of its queue; false when there is no room.
local function lease_poll(queue, id, record, due)
  if record[CRASHES] >= suspicious then
    local other = redis.call('GET', suspect)
    if other and other ~= id then
      redis.call('ZADD', schedule, math.min(now + SUSPECT_PAUSE, record[DEADLINE]), id)
      return true
    end
    local alone = open_pack(queue)
    if not alone then return false end
    redis.call('SET', suspect, id, 'PX', lease + record[SPAN] + margin)
    add_to_pack(alone, id, record, due)
    return true
  end
  if not queue.pack or #queue.pack >= 3 * pack_size then
    queue.pack = open_pack(queue)
    if not queue.pack then return false end
  end
  add_to_pack(queue.pack, id, record, due)
  return true
end

local function end_poll(id, record, state)
  record[STATE], record[ENDED] = state, now
  write_record(polls, id, record)
  redis.call('ZREM', schedule, id)
  redis.call('ZADD', releases, now, id)
  if redis.call('GET', suspect) == id then redis.call('DEL', suspect) end
  counts[state] = (counts[state] or 0) + 1
end

-- What was parked comes first, as it is the longest overdue. An entry is stale when the poll has
-- moved on since (cancelled, nudged, ended): then its score in the schedule is not its deadline.
for _, queue in pairs(queues) do
  local taken = 0
  while queue.room > 0 and taken < most do
    local parked = redis.call('ZPOPMIN', queue.overdue, pack_size)
    if #parked == 0 then break end
    taken = taken + #parked / 2
    for i = 1, #parked, 2 do
      local id, record = parked[i], read_record(polls, parked[i])
      local score = tonumber(redis.call('ZSCORE', schedule, id) or -1)
      if record and record[STATE] == 'waiting' and score == record[DEADLINE] and now < score then
        if not lease_poll(queue, id, record, tonumber(parked[i + 1])) then
          redis.call('ZADD', queue.overdue, parked[i + 1], id)
        end
      end
    end
  end
end

local due_polls = redis.call('ZRANGEBYSCORE', schedule, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most)
for i = 1, #due_polls, 2 do
  local id, due = due_polls[i], tonumber(due_polls[i + 1])
  local record = read_record(polls, id)
  if not record then
    -- Gone, damaged or of a newer version: out of the way, and looked at again by who can read it.
    if redis.call('HEXISTS', polls, id) == 1 then
      redis.call('ZADD', schedule, now + 4 * lease, id)
      counts.unreadable = (counts.unreadable or 0) + 1
      unreadable[#unreadable + 1] = id
    else
      redis.call('ZREM', schedule, id)
    end
  elseif ENDED_STATES[record[STATE]] then
    redis.call('ZREM', schedule, id)
  elseif record[STATE] == 'running' and now < record[DEADLINE] + grace then
    if now >= record[DEADLINE] then
      redis.call('ZADD', schedule, record[DEADLINE] + grace, id)
    else
      -- The lease of a begun attempt ran out: its worker died, hangs or is cut off.
      record[STATE], record[CRASHES] = 'waiting', record[CRASHES] + 1
      counts.crashed = counts.crashed + 1
      if record[CRASHES] >= most_crashes then
        end_poll(id, record, 'failed')
      else
        write_record(polls, id, record)
      end
    end
  elseif now >= record[DEADLINE] then
    if record[STATE] == 'running' then counts.abandoned = (counts.abandoned or 0) + 1 end
    end_poll(id, record, record[LAPSE])
  end
  if record and record[STATE] == 'waiting' and now < record[DEADLINE] then
    local queue = queues[record[QUEUE]]
    if not queue then
      unknown[#unknown + 1] = record[QUEUE]
    elseif not lease_poll(queue, id, record, due) then
      redis.call('ZADD', queue.overdue, due, id)
      redis.call('ZADD', schedule, record[DEADLINE], id)
    end
  end
end

for counter, count in pairs(counts) do
  if count > 0 then redis.call('HINCRBY', stats, counter, count) end
end
local first = redis.call('ZRANGE', schedule, 0, 0, 'WITHSCORES')
local created = tonumber(redis.call('HGET', stats, 'created') or 0)
return {
  now, first[2] and tonumber(first[2]) or -1, redis.call('ZCOUNT', releases, '-inf', now), unknown, packs, unreadable,
  created,
}
