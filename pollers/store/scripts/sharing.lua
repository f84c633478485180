-- Prelude of the scripts that know of shared requests: of polls that make the same request, one asks and the others wait
-- for its answer, in the lot `request:<request>`.
--
-- In the hash `asking`, by request, {id of the poll that asks, moment in ms when it is given up}.

local function request_lot(record)
  return 'request:' .. record[REQUEST]
end

-- Until when somebody asks for the others, in ms; 0 when nobody does.
local function asked_until(request)
  local packed = redis.call('HGET', traffic.asking, request)
  return packed and cmsgpack.unpack(packed)[2] or 0
end

-- Lets a poll ask for the others until a moment, if it makes a request that is shared.
local function start_asking(record, id, given_up)
  if record[REQUEST] == '' then return end
  redis.call('HSET', traffic.asking, record[REQUEST], cmsgpack.pack({ id, given_up }))
end

-- When it was this poll that asked for the others, another one does, now.
local function stop_asking(record, id, now)
  if record[REQUEST] == '' then return end
  local packed = redis.call('HGET', traffic.asking, record[REQUEST])
  if not packed or cmsgpack.unpack(packed)[1] ~= id then return end
  redis.call('HDEL', traffic.asking, record[REQUEST])
  redis.call('ZADD', traffic.turns, 'XX', 'LT', now, request_lot(record))
end
