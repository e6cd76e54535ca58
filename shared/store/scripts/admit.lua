-- Lets commands through in their order, and appends what they bring.
--
-- Asked: candidate epoch, key of the index of recent topics, its bound, ms for which an unused log is remembered beyond
-- its ttl, seconds for which an entry's key is, commands, the turn or false. A command: limits or nil; where it appends
-- tag, topic, entry, history, ttl in ms, key or nil, digest or nil, whether it comes again. A limit: key, microseconds
-- that one takes, microseconds that may be taken at once. A turn: what the keys of tenures begin with, tenure, number,
-- and how many entries that may come again are remembered.
--
-- Answered, for each command: 0 where it was let through; {seconds to wait, which limit}; {epoch, offset, 1 where it
-- stood there before}.

local candidate, index, bound, remembered, dedupe, commands, turn = unpack(asked)
local SLACK = 10  -- microseconds by which rounding may be off
local STEP = 1000  -- keys that are read with one call; Lua's stack is bounded

-- All that is there is read with one call: a call costs more than what it does.
local names, place = {}, {}
local function want(name)
  if not place[name] then
    names[#names + 1] = name
    place[name] = #names
  end
end
for _, command in ipairs(commands) do
  if command[1] then
    for _, limit in ipairs(command[1]) do want(limit[1]) end
  end
  if command[3] then
    want(command[2] .. 'head:' .. command[3])
    if turn and command[8] then want(command[2] .. 'turn:' .. command[3]) end
  end
end
local found = {}
for from = 1, #names, STEP do
  for _, value in ipairs(redis.call('MGET', unpack(names, from, math.min(from + STEP - 1, #names)))) do
    found[#found + 1] = value
  end
end

-- The generic cell rate algorithm, as in gcra.py.
local spent_until = {}
local function spend(limits)
  local longest, refused_by, spent = 0, 0, {}
  for number, limit in ipairs(limits) do
    local name = limit[1]
    local tat = spent_until[name] or tonumber(found[place[name]] or 0)
    spent[number] = math.max(tat, micros) + limit[2]
    local early = spent[number] - micros - limit[3]
    if early > SLACK and early > longest then longest, refused_by = early, number end
  end
  if refused_by > 0 then return {longest / 1000000, refused_by} end
  for number, limit in ipairs(limits) do spent_until[limit[1]] = spent[number] end
end

-- Entries without a key, see `Append` in port.py and memory_unkeyed.py. <tag>turn:<topic> is the turn that gave it the
-- last ones (tenure and number), the epoch, those of this turn, and those of others that may still come again; each is
-- its digest (8 bytes) and its offset.
local TENURE, NUMBER, KNOWN, DIGEST = 8, 16, 16, 8
local tenures, tenure, number, most, this
if turn then
  tenures, tenure, number, most = unpack(turn)
  this = tenure .. string.format('%0' .. NUMBER .. '.0f', number)
end

local function recall(log, name, again)
  log.turn, log.in_turn, log.to_come = name, '', ''
  local known = found[place[name]]
  local before = known and string.sub(known, 1, TENURE + NUMBER)
  if not known or (before ~= this and not again) then return end
  local epoch, in_turn, to_come = unpack(cmsgpack.unpack(string.sub(known, TENURE + NUMBER + 1)))
  if epoch ~= log.epoch then return end
  log.to_come = to_come
  if before == this then
    log.in_turn = in_turn
  elseif string.sub(before, 1, TENURE) ~= tenure then
    local last = tonumber(redis.call('GET', tenures .. string.sub(before, 1, TENURE)) or -1)
    if last <= tonumber(string.sub(before, TENURE + 1)) then
      log.to_come = string.sub(to_come .. in_turn, -most * KNOWN)
    end
  end
end

-- The offset at which an entry that comes again stands already.
local function come_again(log, digest)
  for at = 1, #log.to_come, KNOWN do
    if string.sub(log.to_come, at, at + DIGEST - 1) == digest then
      local known = string.sub(log.to_come, at, at + KNOWN - 1)
      log.to_come = string.sub(log.to_come, 1, at - 1) .. string.sub(log.to_come, at + KNOWN)
      log.in_turn = log.in_turn .. known
      return struct.unpack(TIME, string.sub(known, DIGEST + 1))
    end
  end
end

local logs, recent, nth = {}, {}, 0
local function append(tag, topic, entry, history, ttl, key, digest, again)
  local name = tag .. 'head:' .. topic
  local log = logs[name]
  if not log then
    log = opened(tag, topic, found[place[name]], candidate)
    logs[name] = log
  end
  local offset = string.format('%.0f', log.head + 1)
  if key then
    key = tag .. 'key:' .. key
    if not redis.call('SET', key, log.epoch .. ' ' .. offset, 'NX', 'EX', dedupe) then
      local epoch, before = string.match(redis.call('GET', key), '^(%S+) (%d+)$')
      return {epoch, tonumber(before), 1}
    end
  end
  local unkeyed = turn and digest and not key
  if unkeyed then
    if not log.turn then recall(log, tag .. 'turn:' .. topic, again) end
    local before = again and come_again(log, digest)
    if before then return {log.epoch, before, 1} end
  end
  log.at = math.max(now, log.at)
  local kept = redis.call('RPUSH', log.list, struct.pack(TIME, log.at) .. entry)
  log.head, log.history, log.ttl, log.changed = log.head + 1, history, ttl, true
  if unkeyed then log.in_turn = log.in_turn .. digest .. struct.pack(TIME, log.head) end
  if kept > history + history / 8 then  -- a few at once, which nobody is given meanwhile
    redis.call('LTRIM', log.list, -history, -1)
  end
  if log.kept < now + ttl then  -- a little longer than need be, so that most entries need not say it again
    local longer = ttl + math.max(ttl / 4, SECOND)
    log.kept = now + longer
    redis.call('PEXPIRE', log.list, string.format('%.0f', longer))
  end
  nth = nth + 1
  recent[topic] = nth
  return {log.epoch, log.head, 0}
end

local answers = {}
local function carry_out()
  for number, command in ipairs(commands) do
    answers[number] = command[1] and spend(command[1]) or 0
    if answers[number] == 0 and command[3] then
      answers[number] = append(unpack(command, 2, 9))
    end
  end
end

-- Where something fails in the middle, as with a key of ours that somebody made into something else, the cards must
-- tell of what was appended before.
local well, fault = pcall(carry_out)

for name, tat in pairs(spent_until) do
  if tat > micros then
    redis.call('SET', name, string.format('%.17g', tat), 'PX', string.format('%.0f', (tat - micros) / 1000 + 1))
  else
    redis.call('UNLINK', name)
  end
end
for _, log in pairs(logs) do
  if log.changed or log.new then write(log, remembered) end
  if log.turn then
    local in_turn = string.sub(log.in_turn, -most * KNOWN)
    redis.call('SET', log.turn, this .. cmsgpack.pack({log.epoch, in_turn, log.to_come}), 'EX', dedupe)
  end
end
if turn then redis.call('SET', tenures .. tenure, number, 'EX', 2 * dedupe) end  -- longer than what goes by it
if not well then return type(fault) == 'table' and fault or redis.error_reply(fault) end
if nth > 0 then
  local scores = {}
  for topic, order in pairs(recent) do
    scores[#scores + 1] = string.format('%.17g', micros + order / 128)
    scores[#scores + 1] = topic
  end
  for from = 1, #scores, STEP do
    redis.call('ZADD', index, unpack(scores, from, math.min(from + STEP - 1, #scores)))
  end
  redis.call('ZREMRANGEBYRANK', index, 0, -bound - 1)
  redis.call('PEXPIRE', index, remembered)
  born(index, remembered)
end
return cmsgpack.pack(answers)
