-- Prelude of the scripts that polls pass gates in: limits, holds, and what is in flight.
--
-- A gate is a map in the hash `gates`. `limit:<name>` is a limit on a group of origins: `rules` has
-- `interval` (ms between two polls), `burst` and `in_flight`, and `own` when it is that of one origin;
-- `tat` is the theoretical arrival time of the next poll, `begun` the same for attempts as they begin,
-- `flying` how many are in flight.
-- `origin:<origin>` is an origin: `rules` has the name of its `limit` and the numbers of its breaker (see breaker.lua);
-- `held` is the end of a hold, `paused` is 1 while somebody has paused it, `approach` the moment from which it is
-- approached again and `passed` how many polls have passed since; `seen` is about when the last poll passed it: a gate
-- that none has passed for long is forgotten.
-- Moments are in ms.
--
-- GCRA: ITU-T I.371; "virtual scheduling". TAT - (burst - 1) * interval is when the next poll may pass.

-- Between two looks at a gate that nobody can say the next turn of, in ms: one that is full, or paused.
local RECHECK = 1000
-- Polls that an origin gets in the first moment of an approach, and ms in which their rate doubles.
local FIRST_STEPS, DOUBLING = 4, 1000
-- Doublings after which an origin counts as recovered: it has had 4,000 polls in ten seconds by then.
local DOUBLINGS = 10
-- How exactly `seen` is kept, and how long a gate is kept that no poll passes, in ms: a day.
local SEEN_WITHIN, KEPT = 3600000, 86400000
-- Gates that are looked at for each new one, in search of such that can be forgotten.
local GLANCES = 3

-- The keys, which each script gives names; gates that were read, and those of them that have changed.
local traffic = { read = {}, changed = {} }

-- A gate; false when there is none.
local function read_gate(name)
  local gate = traffic.read[name]
  if gate == nil then
    local packed = redis.call('HGET', traffic.gates, name)
    gate = packed and cmsgpack.unpack(packed) or false
    traffic.read[name] = gate
  end
  return gate
end

-- A gate to change, which is new when there is none; `save_gates` stores it.
local function change_gate(name)
  local gate = read_gate(name) or {}
  traffic.read[name], traffic.changed[name] = gate, gate
  return gate
end

local function save_gates()
  for name, gate in pairs(traffic.changed) do
    redis.call('HSET', traffic.gates, name, cmsgpack.pack(gate))
  end
end

-- Whether a gate has nothing to remember: no poll waits at it, and none has passed it for long.
local function is_forgettable(name, gate, now)
  if (gate.flying or 0) > 0 or redis.call('ZSCORE', traffic.turns, name) then return false end
  if string.sub(name, 1, 6) == 'limit:' then return next(gate.rules or {}) == nil end
  return not gate.paused and math.max(gate.seen or 0, gate.held or 0, gate.open_until or 0) < now - KEPT
end

-- Makes room for a new gate: of a few others, by chance, forgets those that nobody needs.
local function forget_gates(now)
  for _, name in ipairs(redis.call('HRANDFIELD', traffic.gates, GLANCES)) do
    local gate = read_gate(name)
    if gate and not traffic.changed[name] and is_forgettable(name, gate, now) then
      redis.call('HDEL', traffic.gates, name)
      traffic.read[name] = nil
      local own = gate.rules and gate.rules.limit and 'limit:' .. gate.rules.limit
      local limit = own and read_gate(own)
      if limit and limit.rules.own then
        -- Nothing is left of it when it is met next; until then it is as one without rules.
        change_gate(own).rules = {}
      end
    end
  end
end

-- Notes that an origin is in use.
local function see_gate(name, now)
  if now - (read_gate(name).seen or 0) > SEEN_WITHIN then change_gate(name).seen = now end
end

-- The name of the gate of a poll's origin; nil for a poll without one.
local function origin_of(record)
  return record[ORIGIN] ~= '' and 'origin:' .. record[ORIGIN] or nil
end

-- The name of the limit that a poll has to keep; nil when there is none.
local function limit_of(record)
  local name = record[LIMIT]
  if name == '' then
    local origin = record[ORIGIN] ~= '' and read_gate('origin:' .. record[ORIGIN])
    name = origin and origin.rules and origin.rules.limit
  end
  return name and name ~= '' and read_gate('limit:' .. name) and 'limit:' .. name or nil
end

-- When a poll may pass by the rate of a limit, in ms; `clock` names the arrival time to go by.
local function rate_turn(gate, clock)
  local rules = gate.rules
  if not rules.interval then return 0 end
  return (gate[clock] or 0) - (rules.burst - 1) * rules.interval
end

local function pass_rate(gate, clock, now)
  if gate.rules.interval then gate[clock] = math.max(gate[clock] or 0, now) + gate.rules.interval end
end

-- Whether as many are in flight as a limit allows.
local function is_full(gate)
  return gate.rules.in_flight and (gate.flying or 0) >= gate.rules.in_flight
end

-- When a limit lets the next poll pass, in ms: now or before when it is open.
local function limit_turn(gate, now)
  if is_full(gate) then return now + RECHECK end
  return rate_turn(gate, 'tat')
end

-- Gives back the share that a poll has in a limit, if it has one; who waits for it is looked at now.
local function return_share(id, now)
  local name = redis.call('HGET', traffic.shares, id)
  if not name then return end
  redis.call('HDEL', traffic.shares, id)
  if not read_gate(name) then return end
  local gate = change_gate(name)
  gate.flying = math.max(0, (gate.flying or 0) - 1)
  redis.call('ZADD', traffic.turns, 'XX', 'LT', now, name)
end

-- Gives a poll a share in a limit of what is in flight, until `return_share`. It may have one: what was nudged or resumed
-- where it was parked has two entries in the lots, and may pass by one while it waits for its queue by the other.
local function take_share(name, id, now)
  return_share(id, now)
  local gate = change_gate(name)
  gate.flying = (gate.flying or 0) + 1
  redis.call('HSET', traffic.shares, id, name)
end

-- Lets a poll pass a limit.
local function pass_limit(name, id, now)
  local gate = change_gate(name)
  pass_rate(gate, 'tat', now)
  if gate.rules.in_flight then take_share(name, id, now) end
end

-- Lets polls pass an origin again, few at first: it is approached, not hit.
local function start_approach(gate, now)
  gate.approach, gate.passed = now, 0
end

-- When an origin that is approached gets its next poll, in ms.
local function approach_turn(gate)
  if not gate.approach then return 0 end
  local steps = math.log((gate.passed + 1) / FIRST_STEPS) / math.log(2)
  if steps > DOUBLINGS then return 0 end
  return gate.approach + math.max(0, steps) * DOUBLING
end

local function pass_approach(gate, now)
  if not gate.approach then return end
  gate.passed = gate.passed + 1
  if now > gate.approach + DOUBLINGS * DOUBLING then gate.approach, gate.passed = nil, nil end
end

-- Holds the other polls of an origin, as it asked to be left alone; not all at once when that ends.
local function hold_origin(origin, now, ms)
  if not read_gate('origin:' .. origin) then forget_gates(now) end
  local gate = change_gate('origin:' .. origin)
  if now + ms <= (gate.held or 0) then return false end
  gate.held = now + ms
  start_approach(gate, gate.held)
  return true
end

-- Whether what has passed an origin before may not go any more: a hold, a pause or, before the moment `last_call`, an
-- opening of its breaker came meanwhile.
local function is_shut(gate, now, last_call)
  if gate.paused or (gate.held or 0) > now then return true end
  return gate.breaker == 'open' and gate.open_until > now and now < last_call
end
