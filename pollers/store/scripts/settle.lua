-- Settles attempts: each poll goes back to the schedule with its next due time, or ends.
--
-- The fence behind an attempt: only the attempt that is running may settle, so a result that comes
-- after its lease was taken over, after a cancel or after the deadline is refused. A poll that ends
-- here is leased to the caller, who publishes its held task; should the caller die, `release` does.
--
-- Input:
--   KEYS[1] -> polls
--   KEYS[2] -> schedule
--   KEYS[3] -> releases
--   KEYS[4] -> stats
--   KEYS[5] -> suspect
--   ARGV[1] -> ms that the caller has to publish the held tasks of polls that end
--   ARGV[2 + i] -> one settled attempt (from 0) as a MessagePack array: id, attempt, state (`waiting`,
--     `succeeded` or `failed`), next due time in ms, progress, answer, outcome
--
-- Output: one entry per attempt: 0 refused, 1 waiting again, or the packed record of a poll that ended.
--
-- Cost: O(m log n) for m attempts, at most pollers_concurrency.

local polls, schedule, releases, stats, suspect = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local lease = tonumber(ARGV[1])

local now = clock_ms()
local results, counts = {}, {}

local function count(counter)
  counts[counter] = (counts[counter] or 0) + 1
end

for i = 2, #ARGV do
  local id, attempt, state, due, progress, answer, outcome = unpack(cmsgpack.unpack(ARGV[i]))
  local record = read_record(polls, id)
  if not record or record[STATE] ~= 'running' or record[ATTEMPT] ~= attempt then
    results[i - 1] = 0
    count('settle_refused')
    if record and record[CRASHES] > 0 and attempt <= record[ATTEMPT] then
      -- Late, but its worker lives: the poll is slow, and does not crash what attempts it.
      record[CRASHES] = record[CRASHES] - 1
      write_record(polls, id, record)
    end
  else
    record[STATE], record[PROGRESS], record[ANSWER], record[OUTCOME] = state, progress, answer, outcome
    if record[CRASHES] > 0 then
      record[CRASHES] = 0
      if redis.call('GET', suspect) == id then redis.call('DEL', suspect) end
    end
    if state == 'waiting' then
      write_record(polls, id, record)
      redis.call('ZADD', schedule, math.min(due, record[DEADLINE]), id)
      results[i - 1] = 1
    else
      record[ENDED] = now
      results[i - 1] = write_record(polls, id, record)
      redis.call('ZREM', schedule, id)
      redis.call('ZADD', releases, now + lease, id)
      count(state)
    end
    count('settled')
  end
end

for counter, number in pairs(counts) do
  redis.call('HINCRBY', stats, counter, number)
end
return results
