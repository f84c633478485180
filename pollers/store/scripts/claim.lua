-- Claims the outcome of a poll for the held task that is about to deliver it.
--
-- One held task at a time: a second copy of the message finds the claim and steps back; when the
-- first dies before `deliver`, the claim runs out and the held task is published again; later where `release`
-- puts it off for longer, as what could not be delivered again and again need not be tried at the same pace.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> releases
--   KEYS[3] -> ended:<id>
--   KEYS[4] -> stats
--   ARGV[1] -> id of the poll
--   ARGV[2] -> lease of the claim in ms
--
-- Output: {verdict, record}: `claimed` with the packed record; `live` for a poll without an outcome;
--   `busy` when another held task has the claim; `delivered`; or `unknown`. No record with the others.
--
-- Cost: O(log n) for n polls in releases.

local polls, releases, ended = KEYS[1], KEYS[2], KEYS[3]
stats = KEYS[4]
local id, lease = ARGV[1], tonumber(ARGV[2])

local now = clock_ms()
local record = read_record(polls, id)
if not record then
  if redis.call('HEXISTS', polls, id) == 1 then return { 'live' } end
  if redis.call('EXISTS', ended) == 1 then return { 'delivered' } end
  return { 'unknown' }
end
if not ENDED_STATES[record[STATE]] then return { 'live' } end
if record[CLAIMED] > now then return { 'busy' } end
record[CLAIMED] = now + lease
redis.call('ZADD', releases, 'GT', now + lease, id)
return { 'claimed', write_record(polls, id, record) }
