-- Declares a topic-partition whole, unless Redis is no longer the one in which it was made so.
--
-- KEYS: 1 run of Redis, 2 partitions found whole, 3 batch number, 4 fence
-- ARGV: 1 run, 2 partition, 3 least batch number, 4 least fence
-- Returns 1, or 0 when it has to be done again.

local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
if run ~= ARGV[1] or redis.call('GET', KEYS[1]) ~= run then return {0} end
-- Numbers of batches that Redis forgot stand in scores already: those to come must be higher.
if tonumber(redis.call('GET', KEYS[3]) or 0) < tonumber(ARGV[3]) then redis.call('SET', KEYS[3], ARGV[3]) end
if tonumber(redis.call('GET', KEYS[4]) or 0) < tonumber(ARGV[4]) then redis.call('SET', KEYS[4], ARGV[4]) end
redis.call('SADD', KEYS[2], ARGV[2])
return {1}
