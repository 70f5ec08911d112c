-- What is known of a topic-partition in this run of Redis.
--
-- KEYS: 1 run of Redis, 2 partitions found whole, 3 fence, 4 log of replies
-- Returns {run, fence or false, first offset in the log or false, whole partitions}.

local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
if redis.call('GET', KEYS[1]) ~= run then
  redis.call('SET', KEYS[1], run)
  redis.call('DEL', KEYS[2])
end
return {run, redis.call('GET', KEYS[3]), redis.call('LINDEX', KEYS[4], 0), redis.call('SMEMBERS', KEYS[2])}
