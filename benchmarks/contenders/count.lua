-- Counts a batch of impressions in hour tiles: a hash an entity, a field an hour.
--
-- KEYS: one key an entity of an impression. ARGV: 1 seconds to live, 2.. the hour of each key.
-- Returns two numbers a key: impressions before this one in its hour, and in the 24 hours that end in it.

local counts = {}
for i = 1, #KEYS do
  local key, hour = KEYS[i], tonumber(ARGV[i + 1])
  local in_hour = redis.call('HINCRBY', key, hour, 1)
  if in_hour == 1 then redis.call('EXPIRE', key, ARGV[1]) end
  local tiles, in_day = redis.call('HGETALL', key), 0
  for at = 1, #tiles, 2 do
    local age = hour - tonumber(tiles[at])
    if age >= 0 and age < 24 then in_day = in_day + tonumber(tiles[at + 1]) end
  end
  counts[2 * i - 1], counts[2 * i] = in_hour - 1, in_day - 1
end
return counts
