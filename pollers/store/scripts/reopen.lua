-- Opens an origin to its polls, whatever kept them: a pause, a hold, or its breaker. It is approached again.
--
-- Input:
--   KEYS[1] -> gates
--   KEYS[2] -> turns
--   ARGV[1] -> the origin
--
-- Output: 1 when something had kept its polls, else 0.
--
-- Cost: O(log n) for n gates that polls wait at.

traffic.gates, traffic.turns = KEYS[1], KEYS[2]

local now, name = clock_ms(), 'origin:' .. ARGV[1]
local gate = read_gate(name)
if not gate or not (gate.paused or (gate.held or 0) > now or gate.breaker) then return 0 end
gate = change_gate(name)
gate.paused, gate.held = nil, nil
close_breaker(gate, now)
save_gates()
redis.call('ZADD', traffic.turns, 'XX', 'LT', now, name)
return 1
