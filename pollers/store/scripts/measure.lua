-- Adds what a process has counted to the sums of the whole system.
--
-- The first origins that are met have sums of their own, up to a number; all later ones share those of
-- `other`. So a sum never shrinks, and their number is bounded.
--
-- Input:
--   KEYS[1] -> metrics
--   ARGV[1] -> most origins that have sums of their own
--   ARGV[2 + i] -> counts of one origin (from 0) as a MessagePack array: the origin, or empty for counts that
--     have none; field, number, field, number, ...
--
-- Output: 1.
--
-- Cost: O(n) for n counts, at most some for each origin that was attempted within a second.

local metrics, most = KEYS[1], tonumber(ARGV[1])

local function sums_of(origin)
  if redis.call('HEXISTS', metrics, 'origin:' .. origin) == 1 then return origin end
  if tonumber(redis.call('HGET', metrics, 'origins') or 0) >= most then return 'other' end
  redis.call('HSET', metrics, 'origin:' .. origin, 1)
  redis.call('HINCRBY', metrics, 'origins', 1)
  return origin
end

for i = 2, #ARGV do
  local counts = cmsgpack.unpack(ARGV[i])
  local origin = counts[1]
  local suffix = origin ~= '' and ':' .. sums_of(origin) or ''
  for at = 2, #counts, 2 do
    redis.call('HINCRBY', metrics, counts[at] .. suffix, counts[at + 1])
  end
end
return 1
