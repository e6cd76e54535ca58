-- Reads logs; a topic without one is given one.
--
-- Asked: candidate epoch, ms for which an unused log is remembered beyond its ttl, reads. A read: tag, topic, after,
-- before or -1, limit, bytes, whether the newest count. Answered, for each: {epoch, head, first, {offset, entry, …}}.

local candidate, remembered, reads = unpack(asked)
local CHUNK = 32  -- entries that are read with one call: so few are read for nothing where bytes are the bound

local function is_old(log, item)
  return struct.unpack(TIME, item) < now - log.ttl
end

-- The offset of the oldest entry that is kept: not beyond the history, and not too old. `log.zero` is the offset before
-- the first of the list.
local function first_of(log)
  log.zero = log.head - redis.call('LLEN', log.list)
  local old, good = math.max(log.head - log.history, log.zero), log.head + 1
  if old == log.head or not is_old(log, redis.call('LINDEX', log.list, old - log.zero)) then return old + 1 end
  old = old + 1
  while good - old > 1 do
    local middle = math.floor((old + good) / 2)
    if is_old(log, redis.call('LINDEX', log.list, middle - log.zero - 1)) then old = middle else good = middle end
  end
  redis.call('LTRIM', log.list, good - log.zero - 1, -1)
  log.zero = good - 1
  return good
end

local function reversed(list)
  local turned = {}
  for at = #list - 1, 1, -2 do
    turned[#turned + 1] = list[at]
    turned[#turned + 1] = list[at + 1]
  end
  return turned
end

local function entries(log, from, to, limit, room, newest)
  local chosen, count = {}, 0
  while count < limit and from <= to do
    local size = math.min(CHUNK, limit - count, to - from + 1)
    local start = newest and to - size + 1 or from
    local items = redis.call('LRANGE', log.list, start - log.zero - 1, start - log.zero + size - 2)
    for step = 1, size do
      local place = newest and size - step + 1 or step
      local entry = string.sub(items[place], STAMP + 1)
      room = room - #entry
      if room < 0 and count > 0 then return newest and reversed(chosen) or chosen end
      chosen[#chosen + 1], chosen[#chosen + 2] = start + place - 1, entry
      count = count + 1
    end
    if newest then to = start - 1 else from = start + size end
  end
  return newest and reversed(chosen) or chosen
end

local names = {}
for number, read in ipairs(reads) do names[number] = read[1] .. 'head:' .. read[2] end
local cards, logs, answers = redis.call('MGET', unpack(names)), {}, {}
for number, read in ipairs(reads) do
  local tag, topic, after, before, limit, bytes, newest = unpack(read)
  local name = names[number]
  local log = logs[name]
  if not log then
    log = opened(tag, topic, cards[number], candidate)
    logs[name] = log
    if log.new then
      write(log, remembered)
    else
      redis.call('PEXPIRE', name, string.format('%.0f', log.ttl + remembered))
    end
    log.first = first_of(log)
  end
  local to = before < 0 and log.head or math.min(before - 1, log.head)
  local list = limit > 0 and entries(log, math.max(after + 1, log.first), to, limit, bytes, newest) or {}
  answers[number] = {log.epoch, log.head, log.first, list}
end
return answers
