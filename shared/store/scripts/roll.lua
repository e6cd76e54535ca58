-- Who is where: renews leases, says which topics are to be looked at, and carries out commands on topics.
--
-- Asked: index or false, names of gateways that are alive (where there is no index), commands, ms for which what nobody
-- touches is kept. The index: what its keys begin with, ms of a lease, a name for new ones, whether leases that have run
-- out count all the same, gateways that are alive now, marks, partitions, how many topics of each kind. A mark:
-- partition, gateway, topic, whether it has sessions there, ms until somebody is gone for good or 0. A command: tag,
-- topic, gateway, {session, user, info, …} that came, {session, user, …} that went, ms to linger, members to list, bytes
-- of them, whether all sessions are listed, a user or false.
--
-- Answered: names of leases, gateways that are alive, topics of the partitions that are to be looked at, 1 where there
-- are more, an attendance for each command. An attendance: topic, {user, session, info, …} who joined, who left, users,
-- sessions (those of the user, where one is given), members.
--
-- A topic is: <tag>here:<topic>, a hash of users, each with {0 or when they are gone for good, session, info, …};
-- <tag>leaving:<topic>, those users by that time; <tag>hosts:<topic>, a set of gateways; and for each of these
-- <tag>of:<gateway>:<topic>, a hash of its sessions and whose they are.

local index, alive_names, commands, kept = unpack(asked)

local function text(number) return string.format('%.0f', number) end
local function keep(key) redis.call('PEXPIRE', key, kept) end

local alive, epochs, names, topics, more = {}, {}, {}, {}, 0

local function renewed(leases, gateway, lease, candidate)
  local known, till, name, under = redis.call('HGET', leases, gateway)
  if known then till, name, under = string.match(known, '^(%d+) (%S+) (%S+)$') end
  if not known or tonumber(till) < now or under ~= run() then name = candidate end
  redis.call('HSET', leases, gateway, text(now + lease) .. ' ' .. name .. ' ' .. run())
  return name
end

local function take(prefix, partition, dead, most)
  local due = prefix .. 'due:' .. partition
  local times = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, most)
  for _, each in ipairs(times) do
    redis.call('ZREM', due, each)
    topics[#topics + 1] = string.match(each, '^%d+ (.*)$')
  end
  if #times == most then more = 1 end
  for _, gateway in ipairs(dead) do
    local gone = redis.call('SPOP', prefix .. 'on:' .. partition .. ':' .. gateway, most)
    for _, topic in ipairs(gone) do topics[#topics + 1] = topic end
    if #gone == most then more = 1 end
  end
end

if index then
  local prefix, lease, candidate, spare, gateways, marks, partitions, most = unpack(index)
  local leases, dead = prefix .. 'leases', {}
  for number, gateway in ipairs(gateways) do epochs[number] = renewed(leases, gateway, lease, candidate) end
  if #gateways > 0 then keep(leases) end
  local flat = redis.call('HGETALL', leases)
  for at = 1, #flat, 2 do
    local till = tonumber(string.match(flat[at + 1], '^%d+'))
    if till < now - kept then
      redis.call('HDEL', leases, flat[at])
    elseif till >= now or spare then
      alive[flat[at]] = true
      names[#names + 1] = flat[at]
    else
      dead[#dead + 1] = flat[at]
    end
  end
  for _, mark in ipairs(marks) do
    local partition, gateway, topic, stays, linger = unpack(mark)
    local on = prefix .. 'on:' .. partition .. ':' .. gateway
    if not stays then
      redis.call('SREM', on, topic)
    else
      redis.call('SADD', on, topic)
      keep(on)
    end
    if linger > 0 then
      local due = prefix .. 'due:' .. partition
      redis.call('ZADD', due, text(now + linger), text((now + linger) / SECOND) .. ' ' .. topic)
      keep(due)
    end
  end
  for _, partition in ipairs(partitions) do take(prefix, partition, dead, most) end
else
  for _, name in ipairs(alive_names) do alive[name] = true end
end

local function attend(tag, topic, gateway, came, went, linger, limit, room, each, only)
  local here, hosts, leaving = tag .. 'here:' .. topic, tag .. 'hosts:' .. topic, tag .. 'leaving:' .. topic
  local joined, left = {}, {}
  local function of(host) return tag .. 'of:' .. host .. ':' .. topic end
  local function load(user)
    local packed = redis.call('HGET', here, user)
    return packed and cmsgpack.unpack(packed)
  end
  local function save(user, sessions) redis.call('HSET', here, user, cmsgpack.pack(sessions)) end
  local function tell(list, user, session, info)
    list[#list + 1], list[#list + 2], list[#list + 3] = user, session, info
  end
  local function forget(user, sessions)
    redis.call('HDEL', here, user)
    tell(left, user, sessions[2], sessions[3])
  end
  local function go(user, session, stay)
    local sessions = load(user)
    if not sessions or sessions[1] > 0 then return end
    for at = 2, #sessions, 2 do
      if sessions[at] == session then
        if #sessions > 3 then
          table.remove(sessions, at)
          table.remove(sessions, at)
          save(user, sessions)
        elseif stay > 0 then
          sessions[1] = now + stay
          save(user, sessions)
          redis.call('ZADD', leaving, text(now + stay), user)
          keep(leaving)
        else
          forget(user, sessions)
        end
        return
      end
    end
  end
  local function come(user, session, info)
    local sessions = load(user)
    if not sessions then
      tell(joined, user, session, info)
      sessions = {0, session, info}
    elseif sessions[1] > 0 then
      redis.call('ZREM', leaving, user)
      sessions = {0, session, info}
    else
      for at = 2, #sessions, 2 do
        if sessions[at] == session then
          if sessions[at + 1] == info then return end
          table.remove(sessions, at)
          table.remove(sessions, at)
          break
        end
      end
      sessions[#sessions + 1] = session
      sessions[#sessions + 1] = info
    end
    save(user, sessions)
  end

  for _, user in ipairs(redis.call('ZRANGEBYSCORE', leaving, '-inf', now)) do
    redis.call('ZREM', leaving, user)
    local sessions = load(user)
    if sessions then forget(user, sessions) end
  end
  for _, host in ipairs(redis.call('SMEMBERS', hosts)) do
    if not alive[host] then
      local flat = redis.call('HGETALL', of(host))
      for at = 1, #flat, 2 do go(flat[at + 1], flat[at], 0) end
      redis.call('UNLINK', of(host))
      redis.call('SREM', hosts, host)
    end
  end
  for at = 1, #came, 3 do
    redis.call('HSET', of(gateway), came[at], came[at + 1])
    come(came[at + 1], came[at], came[at + 2])
  end
  for at = 1, #went, 2 do
    redis.call('HDEL', of(gateway), went[at])
    go(went[at + 1], went[at], linger)
  end
  if #came > 0 then
    redis.call('SADD', hosts, gateway)
    keep(hosts)
    keep(of(gateway))
    keep(here)
  end
  if #went > 0 and redis.call('EXISTS', of(gateway)) == 0 then redis.call('SREM', hosts, gateway) end

  local members, sessions, listed, seen = {}, 0, 0, {}
  local function list(user, packed)
    if seen[user] then return true end  -- a hash that is growing may show one twice
    seen[user] = true
    local known = cmsgpack.unpack(packed)
    for at = 2, each and #known or 2, 2 do
      room = room - #user - #known[at] - #known[at + 1]
      if listed == limit or (room < 0 and listed > 0) then return false end
      listed = listed + 1
      tell(members, user, known[at], known[at + 1])
    end
    return true
  end
  if limit > 0 then
    if only then
      local packed = redis.call('HGET', here, only)
      if packed then
        local known = cmsgpack.unpack(packed)
        if known[1] == 0 then sessions = (#known - 1) / 2 end
        list(only, packed)
      end
    else
      for _, host in ipairs(redis.call('SMEMBERS', hosts)) do sessions = sessions + redis.call('HLEN', of(host)) end
      local cursor, goes_on = '0', true
      repeat
        local page = redis.call('HSCAN', here, cursor, 'COUNT', limit)
        cursor = page[1]
        for at = 1, #page[2], 2 do goes_on = goes_on and list(page[2][at], page[2][at + 1]) end
      until cursor == '0' or not goes_on or listed == limit
    end
  end
  return {topic, joined, left, redis.call('HLEN', here), sessions, members}
end

local answers = {}
for number, command in ipairs(commands) do answers[number] = attend(unpack(command)) end
return {epochs, names, topics, more, answers}
