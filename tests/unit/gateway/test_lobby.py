"""A crowd is let in one after the other; nobody waits where there is none."""

import asyncio
from typing import Any

from gateway.lobby import LET_IN_PER_TURN, ON_THE_WAY, Lobby
from gateway.transports.counters import PortCounters
from gateway.transports.listener import MAX_HEAD


class Transport:
    """Knows its protocol, and whether it was aborted."""

    def __init__(self) -> None:
        self.protocol: Any = None
        self.aborted = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def abort(self) -> None:
        self.aborted = True
        self.protocol.connection_lost(None)


class Rig:
    def __init__(self, most: int = 1_000) -> None:
        self.counters = PortCounters()
        self.let_in: list[bytes] = []
        self.turned_away: list[bytes] = []
        self.through = 0
        """How many of those who were let in are authenticated."""
        self.lobby = Lobby(
            lambda _, head: self.let_in.append(head),
            lambda _, head: self.turned_away.append(head),
            lambda: len(self.let_in) - self.through,
            self.counters,
            most=most,
        )

    def come(self, count: int) -> list[Transport]:
        transports = [Transport() for _ in range(count)]
        for number, transport in enumerate(transports):
            self.lobby.take(transport, b"%d" % number)  # type: ignore[arg-type]
        return transports


async def turns(count: int = 1) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_comes_alone_is_let_in_at_once() -> None:
    rig = Rig()
    for _ in range(3):
        rig.come(1)
        assert rig.counters.lobby_waiting == 0
        await turns(3)
    assert len(rig.let_in) == 3


async def test_of_a_crowd_as_many_are_let_in_as_are_through_in_their_order() -> None:
    rig = Rig()
    rig.come(3 * ON_THE_WAY)
    assert (len(rig.let_in), rig.counters.lobby_waiting) == (ON_THE_WAY, 2 * ON_THE_WAY)
    rig.through = ON_THE_WAY - 56
    await turns()
    assert len(rig.let_in) == 2 * ON_THE_WAY - 56
    rig.through = len(rig.let_in)
    await turns()
    rig.through = len(rig.let_in)
    await turns()
    assert rig.let_in == [b"%d" % number for number in range(3 * ON_THE_WAY)]
    assert rig.counters.lobby_waiting == 0


async def test_those_who_never_say_who_they_are_hold_nobody_up_for_long() -> None:
    rig = Rig()
    rig.come(ON_THE_WAY + 3 * LET_IN_PER_TURN)
    seen = []
    while rig.counters.lobby_waiting:
        await turns()
        seen.append(len(rig.let_in) - ON_THE_WAY)
    assert seen == [LET_IN_PER_TURN, 2 * LET_IN_PER_TURN, 3 * LET_IN_PER_TURN]


async def test_who_comes_later_does_not_overtake_those_who_wait() -> None:
    rig = Rig()
    rig.come(ON_THE_WAY + LET_IN_PER_TURN + 1)
    await turns()
    rig.lobby.take(Transport(), b"late")  # type: ignore[arg-type]
    await turns(5)
    assert rig.let_in[-1] == b"late"


async def test_who_goes_while_waiting_takes_no_place() -> None:
    rig = Rig()
    crowd = rig.come(ON_THE_WAY + 2 * LET_IN_PER_TURN)
    for transport in crowd[ON_THE_WAY : ON_THE_WAY + LET_IN_PER_TURN]:
        transport.protocol.connection_lost(None)
    await turns()
    assert len(rig.let_in) == ON_THE_WAY + LET_IN_PER_TURN
    assert rig.let_in[-1] == b"%d" % (ON_THE_WAY + 2 * LET_IN_PER_TURN - 1)
    assert (rig.counters.lobby_gone, rig.counters.lobby_waiting) == (LET_IN_PER_TURN, 0)


async def test_what_a_guest_says_early_is_kept_within_bounds() -> None:
    rig = Rig()
    crowd = rig.come(ON_THE_WAY + 2)
    crowd[-2].protocol.data_received(b" and more")
    crowd[-1].protocol.data_received(b"x" * 2 * MAX_HEAD)
    assert crowd[-1].aborted
    await turns()
    assert rig.let_in[-1] == b"%d and more" % ON_THE_WAY


async def test_when_too_many_wait_further_ones_are_turned_away() -> None:
    rig = Rig(most=2)
    rig.come(ON_THE_WAY + 3)
    assert rig.turned_away == [b"%d" % (ON_THE_WAY + 2)]


async def test_closing_drops_who_waits() -> None:
    rig = Rig()
    crowd = rig.come(ON_THE_WAY + 1)
    rig.lobby.close()
    assert crowd[-1].aborted
    await turns(3)
    assert len(rig.let_in) == ON_THE_WAY


async def test_one_that_cannot_be_let_in_is_dropped_and_holds_up_nobody() -> None:
    rig = Rig()
    let_in = rig.lobby._let_in

    def stumble(transport: asyncio.Transport, head: bytes) -> None:
        if head == bad:
            raise RuntimeError("no way in")
        let_in(transport, head)

    bad = b"%d" % (ON_THE_WAY + 1)
    rig.lobby._let_in = stumble
    transports = rig.come(ON_THE_WAY + 10)
    await turns(10)
    assert len(rig.let_in) == ON_THE_WAY + 9
    assert [transport.aborted for transport in transports].index(True) == ON_THE_WAY + 1
    assert rig.counters.lobby_waiting == 0
