-- Prelude of the scripts that see how attempts at an origin go: its circuit breaker.
--
-- After Nygard ("Release It!"), with the sliding window, the ratio and the minimum of Polly and of
-- resilience4j. In the gate of an origin: `breaker` is nil (closed), `open` or `half_open`;
-- `open_until` in ms: of an open one when trials begin, of a half-open one when trials that never came
-- back are given up; `openings` in a row, `trials` sent, `successes` of them, `trying`, the set of the polls sent;
-- `window`, a list of {slot, attempts, failures}.
-- `rules` has `ratio`, `minimum`, `window`, `shortest`, `longest` (in ms) and `trials`.

-- Parts of a window, which slides by one of them.
local SLOTS = 10

-- Counts an attempt; returns how many attempts the window holds, and how many of them have failed.
local function count_attempt(gate, failed, now)
  local slot, kept, attempts, failures = math.floor(now * SLOTS / gate.rules.window), {}, 0, 0
  for _, part in ipairs(gate.window or {}) do
    if part[1] > slot - SLOTS then kept[#kept + 1] = part end
  end
  if #kept == 0 or kept[#kept][1] ~= slot then kept[#kept + 1] = { slot, 0, 0 } end
  local last = kept[#kept]
  last[2], last[3] = last[2] + 1, last[3] + (failed and 1 or 0)
  gate.window = kept
  for _, part in ipairs(kept) do
    attempts, failures = attempts + part[2], failures + part[3]
  end
  return attempts, failures
end

-- Opens a breaker for a time that doubles with each opening in a row; `draw` (0 to 1) shortens it by up to
-- half, so that origins which fell together are not tried together.
local function open_breaker(gate, now, draw)
  gate.openings = (gate.openings or 0) + 1
  local longest = math.min(gate.rules.shortest * 2 ^ (gate.openings - 1), gate.rules.longest)
  gate.breaker, gate.open_until = 'open', now + math.floor(longest * (1 - draw / 2))
  gate.trials, gate.successes, gate.trying, gate.window = nil, nil, nil, nil
end

local function close_breaker(gate, now)
  gate.breaker, gate.open_until, gate.openings = nil, nil, nil
  gate.trials, gate.successes, gate.trying = nil, nil, nil
  start_approach(gate, now)
end

-- Tells a breaker how an attempt went; returns its new state when that has changed.
local function tell_breaker(origin, failed, now, draw)
  local gate = read_gate('origin:' .. origin)
  if not gate or not gate.rules or not gate.rules.ratio then return nil end
  if gate.breaker == 'half_open' then
    gate = change_gate('origin:' .. origin)
    if failed then
      open_breaker(gate, now, draw)
      return 'open'
    end
    gate.successes = (gate.successes or 0) + 1
    if gate.successes < gate.rules.trials then return nil end
    close_breaker(gate, now)
    return 'closed'
  end
  -- Attempts that were under way when it opened say nothing new.
  if gate.breaker then return nil end
  gate = change_gate('origin:' .. origin)
  local attempts, failures = count_attempt(gate, failed, now)
  if failed and attempts >= gate.rules.minimum and failures >= gate.rules.ratio * attempts then
    open_breaker(gate, now, draw)
    return 'open'
  end
  return nil
end

-- Gives back the trial of a poll, if it had one: its attempt says nothing of the origin, so another one is tried.
local function return_trial(origin, id, now)
  local name = 'origin:' .. origin
  local gate = read_gate(name)
  if not gate or gate.breaker ~= 'half_open' or not (gate.trying or {})[id] then return end
  gate = change_gate(name)
  gate.trials, gate.trying[id] = gate.trials - 1, nil
  redis.call('ZADD', traffic.turns, 'XX', 'LT', now, name)
end

-- When a breaker lets the next poll pass, in ms.
local function breaker_turn(gate)
  if gate.breaker == 'open' then return gate.open_until end
  if gate.breaker == 'half_open' and gate.trials >= gate.rules.trials then return gate.open_until end
  return 0
end

-- Lets a poll pass as a trial; `lost_after` is when a trial that has not come back is given up, in ms.
local function pass_breaker(gate, id, now, lost_after)
  -- A poll's last attempt before its deadline passes a breaker that lets nothing else pass.
  if not gate.breaker or breaker_turn(gate) > now then return end
  if gate.breaker == 'open' or gate.trials >= gate.rules.trials then
    gate.breaker, gate.trials, gate.successes, gate.trying = 'half_open', 0, 0, {}
  end
  gate.trials, gate.open_until = gate.trials + 1, lost_after
  gate.trying = gate.trying or {} -- of an earlier version, it has none
  gate.trying[id] = true
end

-- When an origin lets the next poll pass, in ms: now or before when it is open. From the moment `last_call` on, a
-- poll is not kept by the breaker.
local function origin_turn(gate, now, last_call)
  if gate.paused then return now + RECHECK end
  if (gate.held or 0) > now then return gate.held end
  if now >= last_call then return 0 end
  return math.max(breaker_turn(gate), approach_turn(gate))
end

local function pass_origin(name, id, now, lost_after)
  local gate = read_gate(name)
  see_gate(name, now)
  if not gate.breaker and not gate.approach then return end
  gate = change_gate(name)
  pass_breaker(gate, id, now, lost_after)
  pass_approach(gate, now)
end

-- The outcome of a poll that times out: where the breaker kept it from its attempts, it says so.
local function outcome_of_timeout(record)
  local origin = origin_of(record)
  local gate = origin and read_gate(origin)
  if not gate or not gate.breaker then return record[OUTCOME] end
  return '{"error":"PollTimeout","reason":"the deadline passed while the breaker of its origin was open"}'
end
