"""The store on a Cluster of Valkey or Redis.

One call serves one slot there. So a batch takes two steps, each one pipeline of a call per slot: first the limits,
which lie apart from the topics; then the appends of what was let through. Where one limit of a command refuses, those
that did not are given back in the second step; for that moment, others who share them may be told to wait. All else is
as on one server. A slot that moves to another node begins new epochs: that node cannot know that nothing was lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from hashlib import blake2b
from heapq import nlargest
from typing import Any

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import NoScriptError

from shared.store import valkey_packing as packing
from shared.store.memory_logs import new_epoch
from shared.store.port import MAX_RECENT, Admit, Admitted, Append, Limit, Log, Read, Turn
from shared.store.roll import Attend, Attendance, Called, Roll
from shared.store.valkey_link import connection_options
from shared.store.valkey_packing import MAX_BATCH, Packed, Packing
from shared.store.valkey_roll import attendance, call, packed_commands
from shared.store.valkey_scripts import ADMIT, AGE, ATTEMPTS, READ, RECENT, ROLL, Script
from shared.store.valkey_turns import Turns
from shared.store.valkey_url import StoreUrl
from shared.topics import slot

RECENT_OF_A_SLOT = 1_000
"""Topics that the index of one of Penstock's slots tells of at most."""


class ClusterLink:
    """Calls scripts on the nodes of a Cluster, a call per slot. What it raises is the library's, or an `OSError`."""

    def __init__(self, url: StoreUrl) -> None:
        options = connection_options(url)
        self._cluster = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in url.hosts],
            require_full_coverage=False,  # what is left of it serves
            **options,
        )

    async def call(self, script: Script, calls: Sequence[tuple[str, bytes]]) -> list[Any]:
        """Run `script` once for each pair of a key, which says where, and an argument; return the answers."""
        answers = await self._pipeline([("EVALSHA", script.digest, 1, key, argument) for key, argument in calls])
        forgotten = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if forgotten:
            again = await self._pipeline([("EVAL", script.text, 1, *calls[number]) for number in forgotten])
            for number, answer in zip(forgotten, again, strict=True):
                answers[number] = answer
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers

    async def _pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipeline = self._cluster.pipeline()
        for command in commands:
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)

    async def reset(self) -> None:
        """Let go of the connections and of what is known of the Cluster; the next call asks again."""
        await self._cluster.aclose()

    async def close(self) -> None:
        """Let go of the Cluster."""
        await self._cluster.aclose()


class ClusterStore:
    """See `shared.store.port.Store`."""

    lasting = True

    def __init__(self, url: StoreUrl, prefix: str) -> None:
        self._packing = Packing(prefix)
        self._link = ClusterLink(url)
        self.turns = Turns(url.where, self._link)
        self.counters = self.turns.counters
        self._turn: Turn | None = None
        self._told_of: set[int] = set()
        """The tags that remember entries without a key by this turn."""
        self._untold: set[int] = set()
        """Those that remember some by a turn before, and have not heard that it is acknowledged."""

    async def admit(self, commands: Sequence[Admit], now: float, turn: Turn | None = None) -> Sequence[Admitted]:
        """Carry out `commands` in their order. Of more than `MAX_BATCH`, that many at a time."""
        admitted: list[Admitted] = []
        async with self.turns.in_order("admit", len(commands)):
            for start in range(0, len(commands) or 1, MAX_BATCH):
                admitted += await self._admit(commands[start : start + MAX_BATCH], turn)
        self.counters.appended += packing.appended(admitted)
        return admitted

    async def read(self, reads: Sequence[Read], now: float) -> Sequence[Log]:
        """Read logs, in one pipeline."""
        groups: dict[int, list[int]] = defaultdict(list)
        for number, read in enumerate(reads):
            groups[slot(read.topic)].append(number)
        calls = [
            (tag, chunk)
            for tag, numbers in groups.items()
            for chunk in (numbers[start : start + MAX_BATCH] for start in range(0, len(numbers), MAX_BATCH))
        ]
        if not calls:
            return ()
        epoch, tags = new_epoch(), self._packing.tags
        async with self.turns.beside("read", len(reads)):
            answers = await self._link.call(
                READ,
                [(tags[tag], self._packing.read([reads[number] for number in chunk], epoch)) for tag, chunk in calls],
            )
        logs = {
            number: packing.log(log)
            for (_, chunk), answer in zip(calls, answers, strict=True)
            for number, log in zip(chunk, answer, strict=True)
        }
        return [logs[number] for number in range(len(reads))]

    async def recent(self, within: float, now: float) -> Sequence[str]:
        """Return the topics to whose logs something was appended in the last `within` seconds, newest first.

        Of those in one of Penstock's slots, at most `RECENT_OF_A_SLOT`.
        """
        calls = [(tag, packing.recent(f"{tag}recent", within, RECENT_OF_A_SLOT)) for tag in self._packing.tags]
        async with self.turns.beside("recent"):
            answers = await self._link.call(RECENT, calls)
        found = [(float(at), topic) for flat in answers for topic, at in zip(flat[::2], flat[1::2], strict=True)]
        return [topic.decode() for _, topic in nlargest(MAX_RECENT, found)]

    async def age(self, now: float) -> float:
        """Return for how many seconds all that was appended is remembered, in every one of Penstock's slots."""
        calls = [(tag, packing.age(f"{tag}recent")) for tag in self._packing.tags]
        async with self.turns.beside("age"):
            return min(map(float, await self._link.call(AGE, calls))) / 1e6

    async def call(self, roll: Roll, now: float) -> Called:
        """Carry out a batch about who is where: the index first, then the topics, each in one pipeline."""
        async with self.turns.in_order("presence", len(roll.commands)):
            return await call(roll, f"{self._packing.tags[0]}presence:", None, self._enrol, self._attend)

    async def _enrol(self, index: bytes) -> Sequence[Any]:
        [answer] = await self._link.call(ROLL, [(self._packing.tags[0], index)])
        return answer  # type: ignore[no-any-return]

    async def _attend(self, commands: Sequence[Attend], alive: Sequence[str]) -> Sequence[Attendance]:
        tags = self._packing.tags
        groups: dict[int, list[int]] = defaultdict(list)
        for number, command in enumerate(commands):
            groups[slot(command.topic)].append(number)
        calls = [
            (tags[tag], packed_commands([commands[number] for number in numbers], alive, tags))
            for tag, numbers in groups.items()
        ]
        found: dict[int, Attendance] = {}
        for numbers, answer in zip(groups.values(), await self._link.call(ROLL, calls), strict=True):
            found.update(zip(numbers, map(attendance, answer[4]), strict=True))
        return [found[number] for number in range(len(commands))]

    async def begin(self, key: str, number: int, now: float) -> int:
        """Note that an attempt begins."""
        return await self._attempt(key, number)

    async def settle(self, key: str, now: float) -> None:
        """Forget attempts."""
        await self._attempt(key, None)

    async def close(self) -> None:
        """Let go of the Cluster."""
        await self._link.close()

    async def _attempt(self, key: str, number: int | None) -> int:
        tag = self._packing.tags[_digest(key.encode())]
        async with self.turns.in_order("attempt"):
            [begun] = await self._link.call(ATTEMPTS, [(tag, self._packing.attempt(key, number, tag))])
        return begun  # type: ignore[no-any-return]

    async def _admit(self, commands: Sequence[Admit], turn: Turn | None) -> list[Admitted]:
        limits = [(number, limit) for number, command in enumerate(commands) for limit in command.limits]
        waits = await self._tagged([(_tag(limit), self._limit(limit)) for _, limit in limits])
        refused: dict[int, Admitted] = {}
        for (number, limit), wait in zip(limits, waits, strict=True):
            if wait != 0 and (number not in refused or wait[0] > refused[number].retry_after):
                refused[number] = Admitted(float(wait[0]), limit)
        back = [
            (_tag(limit), self._limit(limit, back=True))
            for (number, limit), wait in zip(limits, waits, strict=True)
            if wait == 0 and number in refused
        ]
        appends = [
            (number, command.append)
            for number, command in enumerate(commands)
            if command.append is not None and number not in refused
        ]
        pack = self._packing.append
        tagged = [*((slot(append.topic), pack(append)) for _, append in appends), *back]
        told = self._to_tell(turn, [append for _, append in appends])
        answers = await self._tagged(tagged, turn, told)
        self._untold -= told
        for (number, _), answer in zip(appends, answers, strict=False):
            refused[number] = packing.admitted(answer, ())
        return [refused.get(number) or packing.ADMITTED for number in range(len(commands))]

    def _limit(self, limit: Limit, *, back: bool = False) -> Packed:
        """Pack one limit; what is given `back` is taken with its sign turned."""
        key, one, burst = self._packing.limit(limit, self._packing.tags[_tag(limit)])
        return ([(key, -one, burst + 2 * one) if back else (key, one, burst)],)

    def _to_tell(self, turn: Turn | None, appends: Sequence[Append]) -> set[int]:
        """Return the tags that must hear of `turn`: entries without a key are remembered there by the turn before."""
        if turn is None:
            return set()
        tags = {slot(append.topic) for append in appends if append.key is None and append.digest is not None}
        if turn != self._turn:
            self._untold |= self._told_of
            self._turn, self._told_of = turn, set()
        self._told_of |= tags
        return self._untold

    async def _tagged(
        self, commands: Sequence[tuple[int, Packed]], turn: Turn | None = None, others: Collection[int] = ()
    ) -> list[Any]:
        """Have commands carried out, each with its tag, in one pipeline; return their answers. Let `others` know."""
        if not commands and not others:
            return []
        groups: dict[int, list[int]] = {tag: [] for tag in others}
        for number, (tag, _) in enumerate(commands):
            groups.setdefault(tag, []).append(number)
        epoch, tags, calls = new_epoch(), self._packing.tags, []
        for tag, numbers in groups.items():
            batch = [commands[number][1] for number in numbers]
            calls.append((tags[tag], self._packing.admit(batch, epoch, turn, tags[tag], RECENT_OF_A_SLOT)))
        replies = await self._link.call(ADMIT, calls)
        answers: list[Any] = [None] * len(commands)
        for numbers, reply in zip(groups.values(), replies, strict=True):
            for number, answer in zip(numbers, packing.answers(reply), strict=True):
                answers[number] = answer
        return answers


def _tag(limit: Limit) -> int:
    """Return under which tag a limit lies."""
    return _digest(packing.packed_key(limit.key))


def _digest(key: bytes) -> int:
    return blake2b(key, digest_size=1).digest()[0]
