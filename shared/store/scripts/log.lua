-- What the scripts about logs share; it is put before each of them.
--
-- A log is two keys. <tag>log:<topic> is a list of its entries, each after its time (8 bytes): the last one's offset is
-- the head, and the others count down from there. (A stream takes longer, and 4 KiB for a single entry.)
-- <tag>head:<topic> is its card: head, history, ttl, the last entry's time, the time until which the list is kept
-- (numbers, 8 bytes each), the server's run (16 bytes), and the epoch.
--
-- The run is why a server that was restarted, or a replica that took over, begins new epochs: it may have lost its last
-- entries, and would give their offsets to others.

local SECOND, MINUTE = 1000, 60000
local CARD, TIME = '<ddddd', '<d'
local STAMP = 8
local NUMBERS, RUN = 40, 16

local asked = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local BASE = 1735689600  -- 2025: what is counted from there leaves a double room for fractions of a microsecond
local micros = (tonumber(time[1]) - BASE) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local run_now
local function run()
  if not run_now then
    run_now = (string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '') .. string.rep('-', RUN)
    run_now = string.sub(run_now, 1, RUN)
  end
  return run_now
end

-- The time since which the logs of an index are whole, in microseconds: that of the first call since they were lost.
local function born(index, remembered)
  local name = index .. ':born'
  local value = redis.call('GET', name)
  local since = value and string.sub(value, 1, RUN) == run() and tonumber(string.sub(value, RUN + 1))
  if since then
    redis.call('PEXPIRE', name, remembered)
    return since
  end
  redis.call('SET', name, run() .. string.format('%.17g', micros), 'PX', remembered)
  return micros
end

-- The log whose card is `card` (false: it has none), or a new one with the epoch `candidate`.
local function opened(tag, topic, card, candidate)
  local log = {card = tag .. 'head:' .. topic, list = tag .. 'log:' .. topic}
  if card and string.sub(card, NUMBERS + 1, NUMBERS + RUN) == run() then
    log.head, log.history, log.ttl, log.at, log.kept = struct.unpack(CARD, card)
    log.epoch = string.sub(card, NUMBERS + RUN + 1)
  else
    log.head, log.history, log.ttl, log.at, log.kept, log.epoch = 0, 0, 0, 0, 0, candidate
    log.new = true
    redis.call('UNLINK', log.list)
  end
  return log
end

local function write(log, remembered)
  local card = struct.pack(CARD, log.head, log.history, log.ttl, log.at, log.kept) .. run() .. log.epoch
  redis.call('SET', log.card, card, 'PX', string.format('%.0f', log.ttl + remembered))
end
