-- Tells which topics something was appended to of late, newest first.
--
-- Asked: key of the index, microseconds, at most so many. Answered: {topic, microseconds since 2025, …}.

local index, within, most = unpack(asked)
return redis.call(
  'ZREVRANGEBYSCORE', index, '+inf', string.format('%.17g', micros - within), 'WITHSCORES', 'LIMIT', 0, most)
