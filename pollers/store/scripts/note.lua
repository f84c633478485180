-- Notes something that should not happen, and was survived by whoever calls.
--
-- Input:
--   KEYS[1] -> stats
--   ARGV[1] -> what has happened, the name of its counter
--   ARGV[2] -> how often
--
-- Output: 1.
--
-- Cost: O(1).

stats = KEYS[1]
count_damage(ARGV[1], tonumber(ARGV[2]))
return 1
