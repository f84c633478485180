-- Prelude of every script: the clock, and the record of a poll (see pollers/store/record.py).

local VERSION, STATE, ATTEMPT, CREATED, DEADLINE, SPAN, LAPSE, QUEUE, SPEC, HELD = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local PROGRESS, ANSWER, OUTCOME, ENDED, CLAIMED, CRASHES = 11, 12, 13, 14, 15, 16
local ORIGIN, LIMIT, PRIORITY, TENANT, PAUSED, REQUEST = 17, 18, 19, 20, 21, 22

local KNOWN_VERSION = 2
-- Types of the fields in the order above: a record that somebody has edited must not stop a script.
local TYPES = {
  'number', 'string', 'number', 'number', 'number', 'number', 'string', 'string', 'string', 'string',
  'string', 'string', 'string', 'number', 'number', 'number',
  'string', 'string', 'number', 'string', 'number', 'string',
}
local FIELDS = #TYPES
-- Of this script, so that the loop over the fields of each record finds it soon.
local type = type
local PRIORITIES = { high = 0, normal = 1, low = 2 }
local KNOWN_PRIORITIES = { [0] = true, [1] = true, [2] = true }
local LIVE_STATES = { waiting = true, running = true }
local ENDED_STATES = { succeeded = true, failed = true, timed_out = true, cancelled = true }

-- The key of the counters, which a script that reads records gives a value.
local stats

local function clock_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Counts what should not happen, and notes when it last did (see pollers/store/damage.py).
local function count_damage(counter, number)
  if number == 0 then return end
  redis.call('HINCRBY', stats, counter, number)
  redis.call('HSET', stats, 'last:' .. counter, clock_ms())
end

-- Records as they are stored, by id, false for none: those that were fetched, and kept up to date, in this call.
local fetched = {}

-- Arguments that a command is given at once: what Lua's stack takes, and an even number.
local AT_ONCE = 1000

-- Fetches the records of polls that are read next: one command costs less than many.
local function fetch_records(polls, ids)
  for from = 1, #ids, AT_ONCE do
    local records = redis.call('HMGET', polls, unpack(ids, from, math.min(from + AT_ONCE - 1, #ids)))
    for i = 1, #records do fetched[ids[from + i - 1]] = records[i] end
  end
end

-- Places polls in the schedule: {moment in ms, id, moment, id, ...}.
local function place(schedule, places)
  for from = 1, #places, AT_ONCE do
    redis.call('ZADD', schedule, unpack(places, from, math.min(from + AT_ONCE - 1, #places)))
  end
end

-- A dispatched poll is scored half a ms before its lease ends. So it is told from one that is parked or due, which has a
-- whole number; and as the clock has whole numbers, it is looked at when the lease ends.
local HALF = 0.5

local function is_dispatched(score)
  return score % 1 == HALF
end

-- The record in a packed one; nil when it is damaged or of a newer version.
local function unpack_record(packed)
  local ok, record = pcall(cmsgpack.unpack, packed)
  if not ok or type(record) ~= 'table' then return nil end
  if record[VERSION] == 1 then
    -- Written before there were gates: it passes all of them.
    record[VERSION] = KNOWN_VERSION
    record[ORIGIN], record[LIMIT], record[PRIORITY] = '', '', PRIORITIES.normal
    record[TENANT], record[PAUSED], record[REQUEST] = '', 0, ''
  end
  for field = 1, FIELDS do
    if type(record[field]) ~= TYPES[field] then return nil end
  end
  if record[VERSION] > KNOWN_VERSION or not KNOWN_PRIORITIES[record[PRIORITY]] then return nil end
  if not (LIVE_STATES[record[STATE]] or ENDED_STATES[record[STATE]]) then return nil end
  return record
end

-- The record of a poll; nil when there is none, or none that can be read.
local function read_record(polls, id)
  local packed = fetched[id]
  if packed == nil then packed = redis.call('HGET', polls, id) end
  if not packed then return nil end
  local record = unpack_record(packed)
  if not record then count_damage('unreadable', 1) end
  return record
end

-- The terminal state of a poll that has been delivered, or `unknown`.
local function ended_state(ended)
  local packed = redis.call('GET', ended)
  local ok, record = pcall(cmsgpack.unpack, packed or '')
  return ok and type(record) == 'table' and record[STATE] or 'unknown'
end

-- Stores the record and returns it packed.
local function write_record(polls, id, record)
  local packed = cmsgpack.pack(record)
  redis.call('HSET', polls, id, packed)
  if fetched[id] ~= nil then fetched[id] = packed end
  return packed
end
