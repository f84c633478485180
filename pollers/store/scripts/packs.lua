-- Prelude of `dispatch`: packs of polls that one task carries, and the suspects, which go alone.
--
-- `sending` is what the script sets: `packs`, `dispatched` (how many polls are in them), and the moment, the keys and
-- the numbers that its arguments say. While it has `places`, the schedule hears of leases later, by `place`. A queue has
-- `room` for so many packs, and the `pack` that is being filled.

-- Between two looks whether a suspect may be dispatched, in ms.
local SUSPECT_PAUSE = 100

local sending = { packs = {}, places = {}, dispatched = 0 }

-- Opens a pack in the queue where there is room; nil when there is none.
local function open_pack(queue)
  if queue.room <= 0 then return nil end
  queue.room = queue.room - 1
  local pack, pack_id = {}, sending.call_id .. '.' .. #sending.packs
  sending.packs[#sending.packs + 1] = { pack_id, queue.name, pack }
  redis.call('ZADD', queue.queued, sending.now + sending.lease, pack_id)
  return pack
end

local function has_room(queue)
  return queue.room > 0 or (queue.pack ~= nil and #queue.pack < 3 * sending.pack_size)
end

local function add_to_pack(pack, id, record, due)
  local size = #pack
  pack[size + 1], pack[size + 2], pack[size + 3] = id, record[ATTEMPT] + 1, due
  local leased, places = math.min(sending.now + sending.lease, record[DEADLINE]) - HALF, sending.places
  if places then
    places[#places + 1], places[#places + 2] = leased, id
  else
    redis.call('ZADD', sending.schedule, leased, id)
  end
  sending.dispatched = sending.dispatched + 1
end

-- Leases a poll into a pack of its queue, or puts a suspect off; false when there is no room.
local function lease_poll(queue, id, record, due)
  if record[CRASHES] >= sending.suspicious then
    local other = redis.call('GET', sending.suspect)
    if other and other ~= id then
      redis.call('ZADD', sending.schedule, math.min(sending.now + SUSPECT_PAUSE, record[DEADLINE]), id)
      return true
    end
    local alone = open_pack(queue)
    if not alone then return false end
    redis.call('SET', sending.suspect, id, 'PX', sending.lease + record[SPAN] + sending.margin)
    add_to_pack(alone, id, record, due)
    return true
  end
  if not queue.pack or #queue.pack >= 3 * sending.pack_size then
    queue.pack = open_pack(queue)
    if not queue.pack then return false end
  end
  add_to_pack(queue.pack, id, record, due)
  return true
end

-- Adds to counts how many packs are of which size: bucket b has those of more than 2^(b-1) and up to 2^b polls.
local function count_packs(counts)
  for _, pack in ipairs(sending.packs) do
    local _, exponent = math.frexp(#pack[3] / 3 - 1)
    local bucket = 'packs:' .. exponent
    counts[bucket] = (counts[bucket] or 0) + 1
  end
  counts.dispatched = sending.dispatched
end
