-- Makes the reconciler examine these slots again, for instance after an upgrade or a loss of keys.
-- KEYS: none
-- ARGV: 1.. slots
-- returns: 1
for i = 1, #ARGV do
  if redis.call('EXISTS', K.waiting .. ARGV[i]) == 1 then redis.call('ZADD', K.queues, 'NX', '0', ARGV[i]) end
end
return 1
