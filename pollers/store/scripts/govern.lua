-- Sets the rules of gates; what they remember (turns, holds, breakers) is kept. For each new one, a few others are
-- looked at, and forgotten when nobody needs them.
--
-- Input:
--   KEYS[1] -> gates
--   KEYS[2] -> turns
--   ARGV[1 + i] -> a gate and its rules (from 0) as a MessagePack array: name, map of rules; no map takes away
--     the rules that it had
--
-- Output: the number of gates that were new.
--
-- Cost: O(m log n) for m rules and n gates that polls wait at.

traffic.gates, traffic.turns = KEYS[1], KEYS[2]

local now, new = clock_ms(), 0
for i = 1, #ARGV do
  local name, rules = unpack(cmsgpack.unpack(ARGV[i]))
  local known = read_gate(name)
  local gate = change_gate(name)
  gate.rules = rules or {}
  if not known then
    new, gate.seen = new + 1, now
    forget_gates(now)
  end
  -- Who waits at it may have another turn now.
  redis.call('ZADD', traffic.turns, 'XX', 'LT', now, name)
end
save_gates()
return new
