-- Prelude of the scripts that park polls: due polls that wait in a lot until there is room for them.
--
-- A lot belongs to a queue or to a gate. All are in one sorted set, in which every score is 0, so that
-- members are in the order of their text: lot, priority, tag, due time, id of the poll. What a lot remembers is a map in
-- the hash `flows`: its `size`, and for each priority the `clock` and the `ends` of tenants.
--
-- Tenants are served in turn by their tags (start-time fair queueing; Goyal, Vin and Cheng, 1996): a poll
-- starts at the clock, which is the tag of the last one taken, or where its tenant's last one ends.
-- Priorities share by stride (Waldspurger and Weihl, 1995): whose `pass` is lowest is next, and goes on by its stride.

local HIGHEST, LOWEST = 0, 2
local DIGITS = { [0] = '0', [1] = '1', [2] = '2' }
-- While all three wait, of 13 polls 9 are high, 3 normal and 1 is low.
local STRIDES = { [0] = 1, [1] = 3, [2] = 9 }
-- Between the parts of a member; sorts before everything else.
local GAP = '\0'

local lots_read, lots_changed = {}, {}

local function read_lot(name)
  local lot = lots_read[name]
  if not lot then
    local packed = redis.call('HGET', traffic.flows, name)
    lot = packed and cmsgpack.unpack(packed) or { size = 0, pass = {}, clock = {}, ends = {} }
    lots_read[name] = lot
  end
  return lot
end

-- Tenants that have polls parked; the others start at the clock anyway.
local function backlogged(lot)
  local ends = {}
  for flow, last in pairs(lot.ends) do
    if last > (lot.clock[string.sub(flow, 1, 1)] or 0) then ends[flow] = last end
  end
  return ends
end

local function save_lots()
  for name, lot in pairs(lots_changed) do
    if lot.size <= 0 then
      redis.call('HDEL', traffic.flows, name)
    else
      lot.ends = backlogged(lot)
      redis.call('HSET', traffic.flows, name, cmsgpack.pack(lot))
    end
  end
end

local function is_empty(name)
  return read_lot(name).size <= 0
end

-- Corrects the size of a lot in which nothing was found: somebody has removed its polls by hand.
local function count_anew(name)
  read_lot(name).size = 0
  lots_changed[name] = lots_read[name]
end

-- Parks a poll that has been due since `due`; it leaves the lot by its turn, or ends at its deadline.
local function park(name, id, record, due)
  local lot, priority = read_lot(name), DIGITS[record[PRIORITY]]
  local flow = priority .. record[TENANT]
  local tag = math.max(lot.clock[priority] or 0, lot.ends[flow] or 0)
  lot.ends[flow] = tag + 1
  lots_changed[name] = lot
  -- One concatenation: this is done for every poll of a large backlog.
  local member = name .. GAP .. priority .. GAP .. string.format('%012d', tag) .. GAP .. due .. GAP .. id
  lot.size = lot.size + redis.call('ZADD', traffic.lots, 0, member)
end

-- How far a priority has come; one that had nothing parked has no claim on what it did not use.
local function pass_of(lot, priority)
  return math.max(lot.pass[priority] or 0, lot.floor or 0)
end

-- Up to `most` parked polls of a lot in the order of their turns, each as {member, id, due, priority, tag}.
local function peek(name, most)
  local lot, waiting, parked = read_lot(name), {}, {}
  for priority = HIGHEST, LOWEST do
    local from = name .. GAP .. priority
    waiting[priority] = redis.call('ZRANGEBYLEX', traffic.lots, '[' .. from .. GAP, '(' .. from .. '\1', 'LIMIT', 0, most)
  end
  local pass, taken = {}, { [0] = 0, [1] = 0, [2] = 0 }
  for priority = HIGHEST, LOWEST do pass[priority] = pass_of(lot, tostring(priority)) end
  while #parked < most do
    local next_one
    for priority = HIGHEST, LOWEST do
      if taken[priority] < #waiting[priority] and (not next_one or pass[priority] < pass[next_one]) then
        next_one = priority
      end
    end
    if not next_one then break end
    taken[next_one] = taken[next_one] + 1
    pass[next_one] = pass[next_one] + STRIDES[next_one]
    local member = waiting[next_one][taken[next_one]]
    local tag, due, id = string.match(string.sub(member, #name + 4), '^(%d+)%z(%d+)%z(.*)$')
    parked[#parked + 1] = { member, id, tonumber(due), tostring(next_one), tonumber(tag) }
  end
  return parked
end

-- Takes a poll that `peek` has shown out of its lot.
local function unpark(name, parked)
  local lot, priority = read_lot(name), parked[4]
  redis.call('ZREM', traffic.lots, parked[1])
  lot.size = lot.size - 1
  lot.clock[priority] = math.max(lot.clock[priority] or 0, parked[5])
  lot.floor = pass_of(lot, priority)
  lot.pass[priority] = lot.floor + STRIDES[tonumber(priority)]
  lots_changed[name] = lot
end
