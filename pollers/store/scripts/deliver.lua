-- Notes that the outcome of a poll has been delivered: Celery has it, and all that hangs on it.
--
-- What is left is the record without its value, for `status`, until it expires.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> releases
--   KEYS[3] -> ended:<id>
--   KEYS[4] -> stats
--   KEYS[5] -> history:<id>
--   ARGV[1] -> id of the poll
--   ARGV[2] -> life of the record in ms from now; 0 keeps nothing
--
-- Output: 1 when noted, 0 when there was nothing to note.
--
-- Cost: O(log n) for n polls in releases.

local polls, releases, ended, history = KEYS[1], KEYS[2], KEYS[3], KEYS[5]
stats = KEYS[4]
local id, life = ARGV[1], tonumber(ARGV[2])

local record = read_record(polls, id)
if not record or not ENDED_STATES[record[STATE]] then return 0 end
record[HELD], record[PROGRESS], record[OUTCOME] = '', '', ''
if life > 0 then redis.call('SET', ended, cmsgpack.pack(record), 'PX', life) end
redis.call('PEXPIRE', history, life)
redis.call('HDEL', polls, id)
redis.call('ZREM', releases, id)
return 1
