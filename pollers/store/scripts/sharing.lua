-- Prelude of the scripts that know of shared requests: of polls that make the same request, one asks and the others wait
-- for its answer, in the lot `request:<request>`.
--
-- An answer is for all polls that were due when it came, whether somebody had looked at them by then or not. As the
-- schedule is looked at in the order of due times, all have been when nothing in it is due before that moment.
--
-- In the hash `asking`, by request, {id of the poll that asks, moment in ms when it is given up, moment in ms when the answer
-- came or false, number of the attempt that asks}. The number tells an answer from one that the same poll got before;
-- what an older version has written is without it.

local function request_lot(record)
  return 'request:' .. record[REQUEST]
end

-- Who asks, or has asked, for the polls of a request; nil when nobody does.
local function read_asking(request)
  local packed = redis.call('HGET', traffic.asking, request)
  return packed and cmsgpack.unpack(packed) or nil
end

-- Until when a poll that was due at a moment waits for the answer that another one gets; 0 when it asks itself. In ms.
local function awaited_until(request, due)
  local asking = read_asking(request)
  if not asking or asking[3] and due > asking[3] then return 0 end
  return asking[2]
end

-- Lets an attempt of a poll ask for the others until a moment, if it makes a request that is shared.
local function start_asking(record, id, attempt, given_up)
  if record[REQUEST] == '' then return end
  redis.call('HSET', traffic.asking, record[REQUEST], cmsgpack.pack({ id, given_up, false, attempt }))
end

-- Whether it is this attempt that asks, or has asked, for the others.
local function is_asked_by(asking, id, attempt)
  return asking[1] == id and (asking[4] or attempt) == attempt
end

-- When it was this poll that asked for the others, another one does, now.
local function stop_asking(record, id, now)
  if record[REQUEST] == '' then return end
  local asking = read_asking(record[REQUEST])
  if not asking or asking[1] ~= id then return end
  redis.call('HDEL', traffic.asking, record[REQUEST])
  redis.call('ZADD', traffic.turns, 'XX', 'LT', now, request_lot(record))
end
