-- Notes that an attempt at something begins, or that one came to its end.
--
-- Asked: key, number of the attempt or -1 where one came to its end, ms for which they are remembered.
--
-- Answered: how many have begun and were not settled.

local key, number, remembered = unpack(asked)
if number < 0 then
  redis.call('UNLINK', key)
  return 0
end
redis.call('SADD', key, string.format('%.0f', number))
redis.call('PEXPIRE', key, string.format('%.0f', remembered))
return #redis.call('SMEMBERS', key)
