-- Takes polls whose outcome waits to be delivered, for the caller to publish their held tasks.
--
-- They stay in releases, leased, until a held task has delivered the outcome: a lost message or a
-- dead publisher only means that the held task is published again. Each time after a longer while, as
-- it may also be that workers are slower than the lease, and more messages would make them slower yet.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> releases
--   KEYS[3] -> stats
--   ARGV[1] -> lease in ms: when to publish again at the earliest, if nothing was delivered by then
--   ARGV[2] -> most polls to take in one call
--
-- Output: {id, record, id, record, ...}
--
-- Cost: O(m log n) for m polls taken, at most ARGV[2].

local polls, releases = KEYS[1], KEYS[2]
stats = KEYS[3]
local lease, most = tonumber(ARGV[1]), tonumber(ARGV[2])

-- Leases after which a held task is published again at the latest.
local LONGEST = 16

local now = clock_ms()
local released = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', releases, '-inf', now, 'LIMIT', 0, most)) do
  local packed = redis.call('HGET', polls, id)
  if packed then
    released[#released + 1] = id
    released[#released + 1] = packed
    local record = read_record(polls, id)
    local waited = record and now - record[ENDED] or 0
    redis.call('ZADD', releases, now + math.min(math.max(lease, waited), LONGEST * lease), id)
  else
    redis.call('ZREM', releases, id)
  end
end
return released
