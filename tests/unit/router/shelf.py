"""A store for tests that keeps what it is given in plain dicts, and can be away or count what it is asked."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import StoreAway
from shared.store.counters import StoreCounters
from shared.store.memory import MemoryStore
from shared.store.memory_unkeyed import Unkeyed
from shared.store.port import Admit, Admitted, Log, Position, Read, Turn


class Shelf:
    """`shared.store.port.Store`, to the letter but for times: nothing grows old in a test."""

    def __init__(self, epoch: str = "e1") -> None:
        self.epoch = epoch
        self.logs: dict[str, list[tuple[int, bytes]]] = {}
        self.heads: dict[str, int] = {}
        self.keys: dict[tuple, Position] = {}
        self.grown: list[str] = []
        self.reads: list[Sequence[Read]] = []
        self.spans: list[float] = []
        self.commands: list[Admit] = []
        self.begun: dict[str, set[int]] = {}
        self.lasting = True
        self.remembered_for = float("inf")
        self.counters = StoreCounters()
        self.away = False
        self.turn: Turn | None = None
        self.unkeyed = Unkeyed()
        self._rates = MemoryStore()

    async def admit(self, commands: Sequence[Admit], now: float, turn: Turn | None = None) -> Sequence[Admitted]:
        self._reach()
        if turn is not None:
            self.turn = turn
            self.unkeyed.begin(turn)
        return [await self._admit(command, now, turn) for command in commands]

    async def read(self, reads: Sequence[Read], now: float) -> Sequence[Log]:
        self._reach()
        self.reads.append(reads)
        return [self._read(read) for read in reads]

    async def recent(self, within: float, now: float) -> Sequence[str]:
        self._reach()
        self.spans.append(within)
        return self.grown[::-1]

    async def age(self, now: float) -> float:
        self._reach()
        return self.remembered_for

    async def begin(self, key: str, number: int, now: float) -> int:
        self._reach()
        self.begun.setdefault(key, set()).add(number)
        return len(self.begun[key])

    async def settle(self, key: str, now: float) -> None:
        self._reach()
        self.begun.pop(key, None)

    async def close(self) -> None:
        """Keep everything."""

    def _reach(self) -> None:
        if self.away:
            raise StoreAway("the test took it away")

    async def _admit(self, command: Admit, now: float, turn: Turn | None) -> Admitted:
        self.commands.append(command)
        [admitted] = await self._rates.admit([Admit(command.limits)], now)
        append = command.append
        if admitted.retry_after or append is None:
            return admitted
        key = None if append.key is None else (append.topic, append.key)
        if key in self.keys:
            return Admitted(0.0, None, self.keys[key], repeated=True)
        unkeyed = turn is not None and append.digest is not None
        if turn is not None and unkeyed:
            stands = self.unkeyed.find(append, turn, self.epoch, 0.0)
            if stands is not None:
                return Admitted(0.0, None, Position(self.epoch, stands), repeated=True)
        offset = self.heads[append.topic] = self.heads.get(append.topic, 0) + 1
        log = self.logs.setdefault(append.topic, [])
        log.append((offset, append.entry))
        del log[: -append.history]
        if append.topic in self.grown:
            self.grown.remove(append.topic)
        self.grown.append(append.topic)
        if key is not None:
            self.keys[key] = Position(self.epoch, offset)
        if unkeyed:
            self.unkeyed.note(append, offset)
        return Admitted(0.0, None, Position(self.epoch, offset))

    def _read(self, read: Read) -> Log:
        log, head = self.logs.get(read.topic, []), self.heads.setdefault(read.topic, 0)
        found = [(at, entry) for at, entry in log if read.after < at and (read.before is None or at < read.before)]
        step = -1 if read.newest else 1
        taken: list[tuple[int, bytes]] = []
        for at, entry in found[::step][: read.limit]:
            if taken and sum(len(each) for _, each in taken) + len(entry) > read.max_bytes:
                break
            taken.append((at, entry))
        return Log(self.epoch, head, log[0][0] if log else head + 1, taken[::step])
