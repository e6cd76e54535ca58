"""From sessions to routers: batches, a window, and an answer for whatever cannot be sent."""

import asyncio
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.counters import Counters
from gateway.effects import Ask
from gateway.uplink import ITEM_OVERHEAD, NO_GRANT, Uplink, take_batch
from shared.bus.port import BusState, Message
from shared.envelopes import (
    MAX_BYTES,
    MAX_ITEMS,
    ConnectRequest,
    Encoding,
    FrameBatch,
    GrantedRequest,
    ProbeRequest,
    PublishRequest,
    RefreshRequest,
    Refused,
    pack,
    read_frames,
)
from shared.errors import BusAway, BusBlocked, BusError, ConfirmTimeout, PublishRefused, Unroutable
from shared.topics import partition


class FakeBus:
    """Keeps what is published, and confirms it when told."""

    def __init__(self) -> None:
        self.state = BusState.READY
        self.published: list[tuple[int, FrameBatch]] = []
        self.confirms: list[asyncio.Future[None]] = []

    def publish(
        self, exchange: str, routing_key: str, message: Message, *, mandatory: bool = False
    ) -> asyncio.Future[None]:
        assert (exchange, mandatory) == ("penstock.frames", True)
        self.published.append((int(routing_key), read_frames(message.body)))
        confirm = asyncio.get_running_loop().create_future()
        self.confirms.append(confirm)
        return confirm

    @property
    def batches(self) -> list[list[int]]:
        """The numbers of the requests in each batch."""
        return [[request.id for request in batch.items] for _, batch in self.published]


class Reader:
    """A connection that is read or not."""

    def __init__(self) -> None:
        self.reading = True
        self.changes = 0

    def pause_reading(self) -> None:
        self.reading, self.changes = False, self.changes + 1

    def resume_reading(self) -> None:
        self.reading, self.changes = True, self.changes + 1


class Rig:
    def __init__(self, window: int = 2, high_water: int = 40) -> None:
        self.bus, self.counters, self.refused = FakeBus(), Counters(), list[Refused]()
        self.uplink = Uplink(
            self.bus,  # type: ignore[arg-type]
            "boot",
            self.counters,
            self.refused.append,
            window=window,
            high_water=high_water,
        )
        self.sent = 0

    def ask(self, count: int = 1, asker: Reader | None = None, key: str | None = "a") -> None:
        for _ in range(count):
            self.sent += 1
            self.uplink.ask(publish(self.sent, key=key), asker)

    async def confirm(self, number: int, error: BusError | None = None) -> None:
        if error is None:
            self.bus.confirms[number].set_result(None)
        else:
            self.bus.confirms[number].set_exception(error)
        await turn()


def publish(number: int, payload: bytes = b"1", grant: bytes | None = b"g", key: str | None = "a") -> Ask:
    return Ask(key, PublishRequest(7, number, 0, "a", payload, Encoding.JSON), grant)


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_is_asked_in_one_turn_travels_in_one_batch() -> None:
    rig = Rig()
    rig.ask(3)
    assert rig.bus.published == [], "not before the turn is over"
    await turn()
    ((number, batch),) = rig.bus.published
    assert number == partition("a")
    assert (batch.version, batch.gateway, batch.grants) == (1, "boot", [b"g"])
    assert rig.bus.batches == [[1, 2, 3]]
    assert (rig.counters.requests, rig.counters.batches_sent) == (3, 1)


async def test_when_idle_nothing_waits_for_company() -> None:
    rig = Rig(window=5)
    for _ in range(3):
        rig.ask()
        await turn()
    assert rig.bus.batches == [[1], [2], [3]]


async def test_behind_a_full_window_requests_pile_up_and_go_together_in_their_order() -> None:
    rig = Rig(window=2)
    for _ in range(5):
        rig.ask()
        await turn()
    assert rig.bus.batches == [[1], [2]]
    await rig.confirm(0)
    assert rig.bus.batches == [[1], [2], [3, 4, 5]]


async def test_what_may_go_by_any_partition_fills_one_batch_and_every_turn_takes_the_next_partition() -> None:
    rig = Rig(high_water=1_000)
    for _ in range(3):
        rig.ask(5, key=None)
        await turn()
    assert rig.bus.batches == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]]
    assert len({number for number, _ in rig.bus.published}) == 3


async def test_what_is_too_much_for_one_batch_goes_by_the_next_partition() -> None:
    rig = Rig(window=1, high_water=1_000)
    rig.ask(MAX_ITEMS + 1, key=None)
    await turn()
    assert sorted(len(batch) for batch in rig.bus.batches) == [1, MAX_ITEMS], "though a window has room for one only"


async def test_every_partition_has_a_window_of_its_own_and_a_key_has_one_partition() -> None:
    rig = Rig(window=1)
    other = next(key for key in "bcdefgh" if partition(key) != partition("a"))
    for key in ("a", "a", other):
        rig.ask(key=key)
        await turn()
    assert [number for number, _ in rig.bus.published] == [partition("a"), partition(other)]
    assert rig.bus.batches == [[1], [3]]


async def test_a_large_pile_goes_in_batches_of_the_largest_size() -> None:
    rig = Rig(window=10, high_water=1000)
    rig.ask(300)
    await turn()
    assert [len(batch) for batch in rig.bus.batches] == [128, 128, 44]


@pytest.mark.parametrize("state", [BusState.AWAY, BusState.BLOCKED])
async def test_while_the_broker_takes_nothing_requests_are_unavailable_at_once(state: BusState) -> None:
    rig = Rig()
    rig.bus.state = state
    rig.ask()
    (refused,) = rig.refused
    assert (refused.session, refused.id, refused.code) == (7, 1, "unavailable")
    assert refused.retry_after
    await turn()
    assert rig.bus.published == []
    assert rig.counters.requests_refused == 1


async def test_above_the_high_water_mark_requests_are_overloaded_at_once() -> None:
    rig = Rig(high_water=5)
    rig.ask(7)
    assert [(refused.id, refused.code) for refused in rig.refused] == [(6, "overloaded"), (7, "overloaded")]
    assert all(refused.retry_after for refused in rig.refused)
    await turn()
    assert rig.bus.batches == [[1, 2, 3, 4, 5]]
    rig.ask()
    assert len(rig.refused) == 2, "there is room again"


async def test_whoever_asks_while_many_wait_is_not_read_until_they_are_gone() -> None:
    rig, early, late = Rig(window=1, high_water=40), Reader(), Reader()
    rig.ask(1, early)
    await turn()
    rig.ask(10, early)
    assert early.reading, "a quarter of the high-water mark may wait"
    rig.ask(3, late)
    assert (early.reading, late.reading) == (True, False)
    await turn()
    assert not late.reading, "the window is full"
    await rig.confirm(0)
    assert late.reading
    assert (late.changes, rig.counters.reads_paused) == (2, 1)


async def test_a_connection_that_is_gone_is_not_read_again() -> None:
    rig, reader = Rig(window=1), Reader()
    rig.ask()
    await turn()
    rig.ask(20, reader)
    rig.uplink.forget(reader)
    await rig.confirm(0)
    assert not reader.reading


async def test_while_the_window_stays_full_no_more_than_the_high_water_mark_waits() -> None:
    rig, reader = Rig(window=1, high_water=10), Reader()
    rig.ask()
    await turn()
    rig.ask(100, reader)
    assert len(rig.refused) == 90
    await rig.confirm(0)
    assert rig.bus.batches == [[1], list(range(2, 12))]


@pytest.mark.parametrize(
    ("error", "code", "may_retry"),
    [
        (PublishRefused("nack"), "overloaded", True),
        (BusAway("gone"), "unavailable", True),
        (BusBlocked("alarm"), "unavailable", True),
        (Unroutable("nobody"), "unavailable", True),
        (ConfirmTimeout("silence"), "timeout", False),
    ],
)
async def test_every_request_of_a_batch_that_was_not_taken_is_told_why(
    error: BusError, code: str, may_retry: bool
) -> None:
    rig = Rig()
    rig.ask(2)
    await turn()
    await rig.confirm(0, error)
    assert [(refused.session, refused.id, refused.code) for refused in rig.refused] == [(7, 1, code), (7, 2, code)]
    assert [refused.retry_after is not None for refused in rig.refused] == [may_retry] * 2
    unconfirmed = isinstance(error, ConfirmTimeout)
    assert (rig.counters.batches_refused, rig.counters.batches_unconfirmed) == (not unconfirmed, unconfirmed)


async def test_a_batch_that_was_not_taken_makes_room_for_the_next() -> None:
    rig = Rig(window=1)
    for _ in range(2):
        rig.ask()
        await turn()
    await rig.confirm(0, PublishRefused("nack"))
    assert rig.bus.batches == [[1], [2]]


async def test_a_confirm_that_was_cancelled_makes_room_too_and_says_nothing() -> None:
    rig = Rig(window=1)
    for _ in range(2):
        rig.ask()
        await turn()
    rig.bus.confirms[0].cancel()
    await turn()
    assert rig.bus.batches == [[1], [2]]
    assert rig.refused == []


async def test_whoever_is_refused_may_ask_again_from_within() -> None:
    rig = Rig(window=1)
    rig.uplink._answer = lambda refused: rig.ask() if refused.id == 1 else None
    rig.ask()
    await turn()
    await rig.confirm(0, PublishRefused("nack"))
    assert rig.bus.batches == [[1], [2]]


class TestBatches:
    def test_a_grant_that_many_requests_share_travels_once(self) -> None:
        waiting = deque(publish(number, grant=grant) for number, grant in enumerate([b"g", b"h", b"g", b"h"]))
        requests, grants = take_batch(waiting)
        assert grants == [b"g", b"h"]
        assert [request.grant for request in requests if isinstance(request, GrantedRequest)] == [0, 1, 0, 1]
        assert not waiting

    def test_a_request_without_a_grant_never_gets_anothers(self) -> None:
        requests, grants = take_batch(deque([publish(1, grant=b"ann"), publish(2, grant=None)]))
        assert isinstance(requests[1], GrantedRequest)
        assert grants[requests[1].grant] == NO_GRANT

    def test_a_request_that_needs_no_right_carries_none(self) -> None:
        ask = Ask("k", ConnectRequest(1, 2, "token", ""), None)
        assert take_batch(deque([ask, Ask("k", ProbeRequest(0, 1))])) == ([ask.request, ProbeRequest(0, 1)], [])

    def test_a_request_larger_than_a_batch_travels_alone(self) -> None:
        large = b"x" * (MAX_BYTES + 1)
        waiting = deque([publish(1), publish(2, large), publish(3)])
        batches = [[request.id for request in take_batch(waiting)[0]] for _ in range(3)]
        assert batches == [[1], [2], [3]]

    @pytest.mark.parametrize(
        "ask",
        [
            Ask("k", ConnectRequest(1, 2, "t" * 8_000, "192.0.2.1"), None),
            Ask("k", RefreshRequest(1, 2, 0, "t" * 8_000, ("a" * 200,) * 128), b"g"),
            publish(1, b"x" * 8_000),
            publish(1, b"x", grant=b"g" * 8_000),
        ],
    )
    def test_whatever_is_large_in_a_request_counts(self, ask: Ask) -> None:
        asks = [
            Ask("k", type(ask.request)(*(getattr(ask.request, name) for name in ask.request.__struct_fields__)), grant)
            for number in range(MAX_ITEMS)
            for grant in [None if ask.grant is None else ask.grant + bytes([number])]
        ]
        requests, grants = take_batch(deque(asks))
        assert len(pack(FrameBatch(1, "boot", grants, requests))) < MAX_BYTES + 40_000

    @given(
        st.lists(
            st.tuples(st.integers(0, 60_000) | st.integers(0, 100), st.sampled_from([b"g", b"h" * 500, b"i" * 9_000])),
            max_size=200,
        )
    )
    def test_nothing_is_lost_doubled_or_put_out_of_order_and_every_batch_keeps_its_bounds(
        self, sizes: list[tuple[int, bytes]]
    ) -> None:
        waiting = deque(publish(number, b"x" * size, grant) for number, (size, grant) in enumerate(sizes))
        seen: list[Any] = []
        while waiting:
            requests, grants = take_batch(waiting)
            assert 0 < len(requests) <= MAX_ITEMS
            weight = sum(len(r.payload) + ITEM_OVERHEAD for r in requests if isinstance(r, PublishRequest))
            assert len(requests) == 1 or weight <= MAX_BYTES
            seen += [(r.id, len(r.payload), grants[r.grant]) for r in requests if isinstance(r, PublishRequest)]
        assert seen == [(number, size, grant) for number, (size, grant) in enumerate(sizes)]
