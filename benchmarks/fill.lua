-- Fills the store with entities in the very representation of store/apply.lua: a hash a day, a field a key, five
-- bytes a tile.
--
-- KEYS: 1 the day before, 2 the day. ARGV: 1 first number, 2 last number, 3 hour of day at which the window ends.
-- Entity n has one, two or three tiles in the 24 hours up to that hour; even ones are addresses, odd ones users.

local ends, CHUNK = tonumber(ARGV[3]), 6000
local writes = {{}, {}}
local function write(day, name, tiles)
  local list = writes[day]
  list[#list + 1], list[#list + 2] = name, tiles
  if #list >= CHUNK then
    redis.call('HSET', KEYS[day], unpack(list))
    writes[day] = {}
  end
end

for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  -- The multiplier is odd: a permutation of the 28-bit numbers, so keys are distinct and look hashed. No hash in a log
  -- has a '~': what is scored meets none of these entities.
  local hash = (n * 165940049) % 268435456
  local name = string.format(n % 2 == 0 and 'i~%07x' or 'u8:~%07x' .. 'model~~~', hash)
  local tiles = {'', ''}
  for tile = 0, n % 3 do
    local hour = ends - (hash + tile * 7) % 24
    local day = hour < 0 and 1 or 2
    tiles[day] = tiles[day] .. string.char(hour % 24, 0, 0, 0, 1 + hash % 3)
  end
  for day = 1, 2 do
    if tiles[day] ~= '' then write(day, name, tiles[day]) end
  end
end
for day = 1, 2 do
  if #writes[day] > 0 then redis.call('HSET', KEYS[day], unpack(writes[day])) end
end
return redis.status_reply('OK')
