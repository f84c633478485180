-- Prelude of `dispatch`: which gates a due poll may pass, and which one it waits at.
--
-- From `last_call` ms before its deadline on, a poll is not kept by a breaker, nor by those who wait at its origin.

-- When a parked poll is looked at in any case: at its deadline, or before it for its last attempt where its origin (`gate`)
-- has a breaker, which may open while the poll is parked for another reason.
local function parked_until(record, gate, now, last_call)
  local last = record[DEADLINE] - last_call
  if gate and gate.rules and gate.rules.ratio and now < last then return last end
  return record[DEADLINE]
end

-- The first gate that a poll may not pass now, and when it may; nil when all are open to it. Who comes from
-- a lot (`from`) has stood in line there.
local function closed_gate(record, from, now, last_call)
  local origin, last = origin_of(record), record[DEADLINE] - last_call
  local gate = origin and read_gate(origin)
  if gate then
    local turn = origin_turn(gate, now, last)
    if turn > now then return origin, turn end
    if from ~= origin and now < last and not is_empty(origin) then return origin, now end
  end
  local limit = limit_of(record)
  if limit then
    local turn = limit_turn(read_gate(limit), now)
    if turn > now then return limit, turn end
    if from ~= limit and not is_empty(limit) then return limit, now end
  end
  return nil
end

-- Lets a poll pass its gates; an attempt that has not come back at `lost_after` is given up, in ms.
local function pass_gates(id, record, now, lost_after)
  local origin, limit = origin_of(record), limit_of(record)
  if origin and read_gate(origin) then pass_origin(origin, id, now, lost_after) end
  if limit then pass_limit(limit, id, now) end
end

-- Whether nobody has said yet which rules there are for the origin of a poll.
local function is_stranger(record)
  local gate = record[ORIGIN] == '' or read_gate('origin:' .. record[ORIGIN])
  return not gate or gate ~= true and not gate.rules
end

-- When the polls in a lot that is not of a queue have their next turn, in ms.
local function lot_turn(name, now)
  local kind, rest = string.match(name, '^(%a+):(.*)$')
  if kind == 'request' then return awaited_until(rest, 0) end
  local gate = read_gate(name)
  if not gate then return 0 end
  return kind == 'limit' and limit_turn(gate, now) or origin_turn(gate, now, math.huge)
end
