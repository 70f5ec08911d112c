-- Counts one batch of one topic-partition, exactly once, and returns the tiles as they stood before it.
--
-- KEYS: 1 batch number, 2 fence (next offset to count), 3 log of replies, 4 run of Redis, 5 partitions found whole,
--       6.. one hash a day (field: key, value: tiles)
-- ARGV: 1 first offset, 2 last offset, 3 request (msgpack), 4 seconds to live of a day, 5 committed offset,
--       6 key indices a row, 7 partitions that must be whole, 8.. the day numbers of KEYS[6..]
-- The request is {keys, rows}; a row is {offset - first, hour, index into keys or -1, ...}, all rows in one flat array.
--
-- Tiles are a string of five bytes a tile: hour of day, then the count in four 7-bit digits, high first. All bytes are
-- below 128, so a reply is valid UTF-8 inside msgpack; four digits reach 268 million an entity and hour.
--
-- Returns {'counted', reply} when the batch was counted now; {'before', fence, first, last, request, reply, ...} with the
-- log's entries that overlap it when some of it was counted before; {'closed'} while what a restart of Redis may have lost
-- is not made good in every partition. Nothing is counted in the last two cases.

-- A restart shows in the run id, a failover and a resync from another server in the replication id, an emptied database
-- in the key being gone: then no partition is known to be whole.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
if redis.call('GET', KEYS[4]) ~= run then
  redis.call('SET', KEYS[4], run)
  redis.call('DEL', KEYS[5])
end
if redis.call('SCARD', KEYS[5]) < tonumber(ARGV[7]) then return {'closed'} end

local first, last = tonumber(ARGV[1]), tonumber(ARGV[2])
local fence = tonumber(redis.call('GET', KEYS[2]) or 0)
if first < fence then
  local answer = {'before', fence}
  local log = redis.call('LRANGE', KEYS[3], 0, -1)
  for i = 1, #log, 4 do
    if tonumber(log[i + 1]) >= first and tonumber(log[i]) <= last then
      for j = i, i + 3 do answer[#answer + 1] = log[j] end
    end
  end
  return answer
end

-- Lua hands at most some 8000 values to one call.
local CHUNK = 3000

local function read(day_key, keys)
  local found = {}
  for from = 1, #keys, CHUNK do
    local part = redis.call('HMGET', day_key, unpack(keys, from, math.min(from + CHUNK - 1, #keys)))
    for i = 1, #part do found[from + i - 1] = part[i] end
  end
  return found
end

local function bump(tiles, hour_of_day)
  for at = 1, #tiles, 5 do
    local h, a, b, c, d = string.byte(tiles, at, at + 4)
    if h == hour_of_day then
      d = d + 1
      if d > 127 then d = 0; c = c + 1 end
      if c > 127 then c = 0; b = b + 1 end
      if b > 127 then b = 0; a = a + 1 end
      return string.sub(tiles, 1, at) .. string.char(a, b, c, d) .. string.sub(tiles, at + 5)
    end
  end
  return tiles .. string.char(hour_of_day, 0, 0, 0, 1)
end

local request = cmsgpack.unpack(ARGV[3])
local keys, rows, width = request[1], request[2], tonumber(ARGV[6])
local before, after = {}, {}
for i = 6, #KEYS do
  local day = tonumber(ARGV[i + 2])
  before[i - 5] = read(KEYS[i], keys)
  after[day] = {key = KEYS[i], before = before[i - 5], tiles = {}}
end

for at = 1, #rows, width + 2 do
  local hour = rows[at + 1]
  local hour_of_day = hour % 24
  local day = after[(hour - hour_of_day) / 24]
  local tiles, old = day.tiles, day.before
  for k = at + 2, at + 1 + width do
    local index = rows[k]
    local counted = index < 0
    for earlier = at + 2, k - 1 do counted = counted or rows[earlier] == index end
    if not counted then
      tiles[index] = bump(tiles[index] or old[index + 1] or '', hour_of_day)
    end
  end
end

for _, day in pairs(after) do
  local written = {}
  for index, tiles in pairs(day.tiles) do
    written[#written + 1] = keys[index + 1]
    written[#written + 1] = tiles
  end
  for from = 1, #written, CHUNK * 2 do
    redis.call('HSET', day.key, unpack(written, from, math.min(from + CHUNK * 2 - 1, #written)))
  end
  if #written > 0 then redis.call('EXPIRE', day.key, ARGV[4]) end
end

local reply = cmsgpack.pack({redis.call('INCR', KEYS[1]), before})
redis.call('SET', KEYS[2], string.format('%.0f', last + 1))
local committed = tonumber(ARGV[5])
while true do
  local oldest = redis.call('LRANGE', KEYS[3], 1, 1)[1]
  if not oldest or tonumber(oldest) >= committed then break end
  redis.call('LPOP', KEYS[3], 4)
end
redis.call('RPUSH', KEYS[3], ARGV[1], ARGV[2], ARGV[3], reply)
return {'counted', reply}
