-- Tells for how long everything that was appended is remembered: nothing older can be asked for of a store that was
-- emptied or restarted, and nobody could miss it.
--
-- Asked: key of the index of recent topics, ms for which it is remembered. Answered: microseconds.

local index, remembered = unpack(asked)
return string.format('%.17g', micros - born(index, remembered))
