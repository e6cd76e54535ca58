-- Reads logs; a topic without one is given one.
--
-- Asked: candidate epoch, ms for which an unused log is remembered beyond its ttl, reads. A read: tag, topic, after,
-- before or -1, limit, bytes, whether the newest count. Answered, for each: {epoch, head, first, {offset, entry, …}}.

local candidate, remembered, reads = unpack(asked)
local CHUNK = 32  -- entries that are read with one call: so few are read for nothing where bytes are the bound

local function parsed(item)
  local offset, at = string.match(item[1], '^(%d+)-(%d+)$')
  return tonumber(offset), tonumber(at)
end

-- The offset of the oldest entry that is kept: not beyond the history, and not too old.
local function first_of(log)
  local bottom = string.format('%.0f', math.max(log.head - log.history + 1, 1))
  local oldest = redis.call('XRANGE', log.stream, bottom, '+', 'COUNT', 1)[1]
  if not oldest then return log.head + 1 end
  local first, at = parsed(oldest)
  if at >= now - log.ttl then return first end
  local old, good = first, log.head + 1
  while good - old > 1 do
    local middle = math.floor((old + good) / 2)
    local item = redis.call('XRANGE', log.stream, string.format('%.0f', middle), '+', 'COUNT', 1)[1]
    local _, its = parsed(item)
    if its < now - log.ttl then old = middle else good = middle end
  end
  redis.call('XTRIM', log.stream, 'MINID', string.format('%.0f', good))
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

local function entries(stream, from, to, limit, room, newest)
  local chosen, count = {}, 0
  while count < limit and from <= to do
    local low, high = string.format('%.0f', from), string.format('%.0f', to)
    local items
    if newest then
      items = redis.call('XREVRANGE', stream, high, low, 'COUNT', math.min(CHUNK, limit - count))
    else
      items = redis.call('XRANGE', stream, low, high, 'COUNT', math.min(CHUNK, limit - count))
    end
    if #items == 0 then break end
    for _, item in ipairs(items) do
      local offset, entry = parsed(item), item[2][2]
      room = room - #entry
      if room < 0 and count > 0 then return newest and reversed(chosen) or chosen end
      chosen[#chosen + 1], chosen[#chosen + 2] = offset, entry
      count = count + 1
      if newest then to = offset - 1 else from = offset + 1 end
    end
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
  local list = limit > 0 and entries(log.stream, math.max(after + 1, log.first), to, limit, bytes, newest) or {}
  answers[number] = {log.epoch, log.head, log.first, list}
end
return answers
