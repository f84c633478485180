-- Pauses an origin: none of its polls is attempted until `reopen`; they still end at their deadlines.
--
-- Input:
--   KEYS[1] -> gates
--   ARGV[1] -> the origin
--
-- Output: 1 when it was not paused before, else 0.
--
-- Cost: O(1).

traffic.gates = KEYS[1]

local gate = change_gate('origin:' .. ARGV[1])
local before = gate.paused
gate.paused = 1
save_gates()
return before and 0 or 1
