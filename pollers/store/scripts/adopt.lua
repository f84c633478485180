-- Notes over how many shards the polls are divided, where nobody knows of more.
--
-- Input:
--   KEYS[1] -> layout
--   ARGV[1] -> shards in this store that take new polls
--   ARGV[2] -> servers that take new polls
--
-- Output: {here, servers} as they were noted before; 0 and 0 for a store that has no note, which has one shard
--   unless it is new.
--
-- Cost: O(1).

local layout, here, servers = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])

local known = redis.call('HMGET', layout, 'here', 'servers')
local known_here, known_servers = tonumber(known[1] or 0), tonumber(known[2] or 0)
-- What has one shard has no note, and need not know that there are others.
if (here > 1 or servers > 1) and (here > known_here or servers > known_servers) then
  redis.call('HSET', layout, 'here', math.max(here, known_here), 'servers', math.max(servers, known_servers))
end
return { known_here, known_servers }
