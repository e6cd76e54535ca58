"""The embedded store: what one process remembers, for as long as it lives."""

from __future__ import annotations

from collections.abc import Sequence

from shared.store.counters import StoreCounters
from shared.store.memory_attempts import MAX_ATTEMPTED, Attempts
from shared.store.memory_logs import MAX_APPENDED_KEYS, MAX_LOG_BYTES, MAX_LOGS, Logs, new_epoch
from shared.store.memory_rates import MAX_KEYS, Rates
from shared.store.memory_roll import Presence
from shared.store.port import Admit, Admitted, Log, Read, Turn
from shared.store.roll import Called, Roll

_ADMITTED = Admitted(0.0)


class MemoryStore:
    """See `shared.store.port.Store`. Everything in it is bounded, and beyond its bound the longest unused goes first.

    `max_keys` rates; `max_logs` logs of `max_log_bytes` bytes in all; `max_appended_keys` keys of entries;
    `max_attempted` keys of attempts. What had to go is counted by `counters`. `born` is when it was made, monotonic
    seconds: what was appended before that, by another process, it does not remember.
    """

    lasting = False

    def __init__(
        self,
        max_keys: int = MAX_KEYS,
        max_logs: int = MAX_LOGS,
        max_log_bytes: int = MAX_LOG_BYTES,
        max_appended_keys: int = MAX_APPENDED_KEYS,
        max_attempted: int = MAX_ATTEMPTED,
        born: float = float("-inf"),
    ) -> None:
        self._born = born
        self.counters = StoreCounters()
        self.logs = Logs(max_logs, max_log_bytes, max_appended_keys, counters=self.counters)
        self.presence = Presence(new_epoch)
        self.attempts = Attempts(max_attempted, self.counters)
        self._rates = Rates(max_keys, self.counters)

    @property
    def rates(self) -> int:
        """Return how many rates are remembered."""
        return len(self._rates)

    async def admit(self, commands: Sequence[Admit], now: float, turn: Turn | None = None) -> Sequence[Admitted]:
        """Carry out `commands` in their order."""
        self.counters.count("admit", len(commands))
        if turn is not None:
            self.logs.unkeyed.begin(turn)
        return [self._admit(command, now, turn) for command in commands]

    async def read(self, reads: Sequence[Read], now: float) -> Sequence[Log]:
        """Read logs."""
        self.counters.count("read", len(reads))
        return [self.logs.read(read, now) for read in reads]

    async def recent(self, within: float, now: float) -> Sequence[str]:
        """Return the topics to whose logs something was appended in the last `within` seconds, newest first."""
        self.counters.count("recent")
        return self.logs.recent(within, now)

    async def age(self, now: float) -> float:
        """Return for how many seconds all that was appended is remembered."""
        self.counters.count("age")
        return now - max(self._born, self.logs.whole_since)

    async def call(self, roll: Roll, now: float) -> Called:
        """Carry out a batch about who is where."""
        self.counters.count("presence", len(roll.commands))
        return self.presence.call(roll, now)

    async def begin(self, key: str, number: int, now: float) -> int:
        """Note that an attempt begins."""
        self.counters.count("attempt")
        return self.attempts.begin(key, number, now)

    async def settle(self, key: str, now: float) -> None:
        """Forget attempts."""
        self.counters.count("attempt")
        self.attempts.settle(key)

    async def close(self) -> None:
        """Forget everything."""
        self.attempts.clear()
        self.presence.clear()
        self._rates.clear()
        self.logs.clear()

    def _admit(self, command: Admit, now: float, turn: Turn | None) -> Admitted:
        if command.limits:
            retry_after, refused_by = self._rates.spend(command.limits, now)
            if refused_by is not None:
                return Admitted(retry_after, refused_by)
        if command.append is None:
            return _ADMITTED
        position, repeated = self.logs.append(command.append, now, turn)
        self.counters.appended += not repeated
        return Admitted(0.0, None, position, repeated)
