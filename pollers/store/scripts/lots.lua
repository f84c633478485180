-- Prelude of the scripts that park polls: due polls that wait in a lot until there is room for them.
--
-- A lot belongs to a queue or to a gate. All are in one sorted set, in which every score is 0, so that
-- members are in the order of their text: lot, priority, tag, due time, tenant, id of the poll. What a lot remembers is a
-- map in the hash `flows`: its `size`, and the `clock` and `pass` of each priority. Beside it there, for each tenant with
-- polls parked, a field with the end of its last one: there may be as many tenants as polls.
--
-- Tenants are served in turn by their tags (start-time fair queueing; Goyal, Vin and Cheng, 1996): a poll starts where
-- its tenant's last one ends; where the tenant has none, after the clock, which is the tag of the last one taken.
-- Priorities share by stride (Waldspurger and Weihl, 1995): whose `pass` is lowest is next, and goes on by its stride.

local HIGHEST, LOWEST = 0, 2
local DIGITS = { [0] = '0', [1] = '1', [2] = '2' }
-- While all three wait, of 13 polls 9 are high, 3 normal and 1 is low.
local STRIDES = { [0] = 1, [1] = 3, [2] = 9 }
-- Between the parts of a member; sorts before everything else.
local GAP = '\0'

local lots_read, lots_changed = {}, {}
-- Where the last parked poll of a tenant ends, by the field in `flows`; false when it has none.
local ends, ends_changed = {}, {}

local function read_lot(name)
  local lot = lots_read[name]
  if not lot then
    local packed = redis.call('HGET', traffic.flows, name)
    lot = packed and cmsgpack.unpack(packed) or { size = 0, pass = {}, clock = {} }
    lots_read[name] = lot
  end
  return lot
end

local function end_of(flow)
  if ends[flow] == nil then ends[flow] = tonumber(redis.call('HGET', traffic.flows, flow) or nil) or false end
  return ends[flow]
end

local function set_end(flow, last)
  ends[flow], ends_changed[flow] = last, true
end

local function save_lots()
  for name, lot in pairs(lots_changed) do
    if lot.size <= 0 then
      redis.call('HDEL', traffic.flows, name)
    else
      redis.call('HSET', traffic.flows, name, cmsgpack.pack(lot))
    end
  end
  for flow in pairs(ends_changed) do
    if ends[flow] then
      redis.call('HSET', traffic.flows, flow, ends[flow])
    else
      redis.call('HDEL', traffic.flows, flow)
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
  local tenant = record[TENANT]
  local flow = name .. GAP .. priority .. tenant
  local tag = end_of(flow) or (lot.clock[priority] or 0) + 1
  set_end(flow, tag + 1)
  lots_changed[name] = lot
  -- One concatenation: this is done for every poll of a large backlog.
  local member = name .. GAP .. priority .. GAP .. string.format('%012d', tag) .. GAP .. due .. GAP .. tenant .. GAP .. id
  lot.size = lot.size + redis.call('ZADD', traffic.lots, 0, member)
end

-- How far a priority has come; one that had nothing parked has no claim on what it did not use.
local function pass_of(lot, priority)
  return math.max(lot.pass[priority] or 0, lot.floor or 0)
end

-- Up to `most` parked polls of a lot in the order of their turns, each as {member, id, due, priority, tag, tenant}.
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
    local tag, due, tenant, id = string.match(string.sub(member, #name + 4), '^(%d+)%z(%d+)%z([^%z]*)%z(.*)$')
    if id then
      parked[#parked + 1] = { member, id, tonumber(due), tostring(next_one), tonumber(tag), tenant }
    else
      -- Written by hand. A poll that it stood for is looked at at its deadline.
      redis.call('ZREM', traffic.lots, member)
    end
  end
  return parked
end

-- Takes a poll that `peek` has shown out of its lot.
local function unpark(name, parked)
  local lot, priority = read_lot(name), parked[4]
  redis.call('ZREM', traffic.lots, parked[1])
  lot.size = lot.size - 1
  local flow = name .. GAP .. priority .. parked[6]
  if (end_of(flow) or 0) <= parked[5] + 1 then set_end(flow, false) end
  lot.clock[priority] = math.max(lot.clock[priority] or 0, parked[5])
  lot.floor = pass_of(lot, priority)
  lot.pass[priority] = lot.floor + STRIDES[tonumber(priority)]
  lots_changed[name] = lot
end
