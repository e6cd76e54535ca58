"""The store on Valkey or Redis (6.2 or later): one server, or the master that Sentinel names.

For a Cluster see `shared.store.valkey_cluster`. A batch is one call of one script, whatever is in it: limits, keys,
offsets, entries, trimming. So it costs one round trip, is done as a whole or not at all, and goes by the server's
clock. Batches of one store are carried out in the order of calls, one at a time; reads go beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError
from shared.store import valkey_packing as packing
from shared.store.memory_logs import new_epoch
from shared.store.port import MAX_RECENT, Admit, Admitted, Log, Read, Store, Turn
from shared.store.roll import Attend, Attendance, Called, Roll
from shared.store.valkey_link import SingleLink
from shared.store.valkey_packing import MAX_BATCH, Packing
from shared.store.valkey_roll import attendance, call, packed_commands
from shared.store.valkey_scripts import ADMIT, AGE, ATTEMPTS, READ, RECENT, ROLL
from shared.store.valkey_turns import Turns
from shared.store.valkey_url import Kind, StoreUrl, parse

PREFIX = "penstock"
"""What all keys begin with."""


def open_store(url: str, prefix: str = PREFIX) -> Store:
    """Return the store at `url` (see `shared.store.valkey_url`), whose keys begin with `prefix`.

    It connects when it is used. Raises `ConfigurationError` for a URL that cannot be read, or names a file that cannot.
    """
    where = parse(url)
    for file in where.files.values():
        if not Path(file).is_file():
            raise ConfigurationError(f"PENSTOCK_STORE_URL names a file that is not there: {file}.")
    if where.kind is Kind.CLUSTER:
        from shared.store.valkey_cluster import ClusterStore

        return ClusterStore(where, prefix)
    return ValkeyStore(where, prefix)


class ValkeyStore:
    """See `shared.store.port.Store`."""

    lasting = True

    def __init__(self, url: StoreUrl, prefix: str = PREFIX) -> None:
        self._packing = Packing(prefix)
        self._link = SingleLink(url)
        self.turns = Turns(url.where, self._link)
        self.counters = self.turns.counters

    async def admit(self, commands: Sequence[Admit], now: float, turn: Turn | None = None) -> Sequence[Admitted]:
        """Carry out `commands` in their order. Of more than `MAX_BATCH`, one call's worth at a time."""
        if not commands and turn is None:
            return ()
        pack, epoch = self._packing.command, new_epoch()
        # All are packed before the first is sent: one that cannot be packed leaves everything undone.
        batches = [
            self._packing.admit([pack(command) for command in commands[start : start + MAX_BATCH]], epoch, turn)
            for start in range(0, len(commands) or 1, MAX_BATCH)
        ]
        answers: list[Any] = []
        async with self.turns.in_order("admit", len(commands)):
            for batch in batches:
                answers += packing.answers(await self._link.call(ADMIT, batch))
        admitted = packing.admitted
        outcomes = [admitted(answer, command.limits) for answer, command in zip(answers, commands, strict=True)]
        self.counters.appended += packing.appended(outcomes)
        return outcomes

    async def read(self, reads: Sequence[Read], now: float) -> Sequence[Log]:
        """Read logs. Of more than `MAX_BATCH`, one call's worth at a time."""
        logs: list[Log] = []
        for start in range(0, len(reads), MAX_BATCH):
            batch = self._packing.read(reads[start : start + MAX_BATCH], new_epoch())
            async with self.turns.beside("read", min(MAX_BATCH, len(reads) - start)):
                answers = await self._link.call(READ, batch)
            logs += map(packing.log, answers)
        return logs

    async def recent(self, within: float, now: float) -> Sequence[str]:
        """Return the topics to whose logs something was appended in the last `within` seconds, newest first."""
        async with self.turns.beside("recent"):
            flat = await self._link.call(RECENT, packing.recent(self._packing.index, within, MAX_RECENT))
        return [topic.decode() for topic in flat[::2]]

    async def age(self, now: float) -> float:
        """Return for how many seconds all that was appended is remembered."""
        async with self.turns.beside("age"):
            return float(await self._link.call(AGE, packing.age(self._packing.index))) / 1e6

    async def call(self, roll: Roll, now: float) -> Called:
        """Carry out a batch about who is where: one call for it, and one for topics whose time has come."""
        async with self.turns.in_order("presence", len(roll.commands)):
            return await call(roll, self._packing.presence, self._packing.tags, self._enrol, self._attend)

    async def _enrol(self, index: bytes) -> Sequence[Any]:
        answer: Sequence[Any] = await self._link.call(ROLL, index)
        return answer

    async def _attend(self, commands: Sequence[Attend], alive: Sequence[str]) -> Sequence[Attendance]:
        answer = await self._link.call(ROLL, packed_commands(commands, alive, self._packing.tags))
        return [attendance(each) for each in answer[4]]

    async def begin(self, key: str, number: int, now: float) -> int:
        """Note that an attempt begins."""
        async with self.turns.in_order("attempt"):
            begun: int = await self._link.call(ATTEMPTS, self._packing.attempt(key, number))
        return begun

    async def settle(self, key: str, now: float) -> None:
        """Forget attempts."""
        async with self.turns.in_order("attempt"):
            await self._link.call(ATTEMPTS, self._packing.attempt(key, None))

    async def close(self) -> None:
        """Let go of the server."""
        await self._link.close()
