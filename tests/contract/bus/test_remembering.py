"""A bus has again what it was asked for, before it says that it is ready."""

import pytest

from shared.bus.port import BusState
from shared.bus.topology import Binding, Exchange, ExchangeKind, Overflow, Queue, QueueKind, Topology
from shared.errors import BusAway, QueueTaken, TopologyMismatch
from tests.contract.bus.harness import Taker, send
from tests.contract.bus.shapes import only, own, plain
from tests.support.eventually import eventually

X = Topology(exchanges=(Exchange("x", ExchangeKind.DIRECT),))


async def ready(bus):
    await eventually(lambda: bus.state is BusState.READY)


async def test_exclusive_queues_bindings_and_intakes_are_back_after_a_cut(harness, bus):
    await bus.declare(X)
    await bus.declare(only(own("mine")))
    await bus.bind("mine", "x", ["a", "b", "c"])
    await bus.unbind("mine", "x", ["b"])
    taker = await Taker(bus).take("mine")
    await harness.cut(bus)
    await ready(bus)
    for key in (b"a", b"b", b"c"):
        await send(bus, "x", key.decode(), [key])
    await taker.has(2)
    assert taker.bodies == [b"a", b"c"]
    assert bus.counters.reconnections == 1


async def test_what_is_declared_bound_and_consumed_while_away_is_there_when_it_is_back(harness, bus):
    await bus.declare(X)
    await harness.cut(bus)
    taker = Taker(bus)
    with pytest.raises(BusAway):
        await bus.declare(only(own("mine")))
    with pytest.raises(BusAway):
        await bus.bind("mine", "x", ["a"])
    await taker.take("mine")
    await ready(bus)
    await send(bus, "x", "a", [b"1"])
    await taker.has(1)


async def test_a_bus_that_cannot_have_all_again_stays_away_and_knows_why(harness, bus):
    other = await harness.bus("other")
    await other.declare(only(own("mine")))
    await harness.cut(bus)
    with pytest.raises(BusAway):
        await bus.declare(only(own("mine")))
    await eventually(lambda: isinstance(bus.failure, QueueTaken))
    assert bus.state is BusState.AWAY
    await harness.kill(other)
    await harness.bus("another")  # at which a broker in memory looks who may come back
    await ready(bus)
    assert bus.failure is None


async def test_each_change_of_state_is_told_once_with_its_cause(harness, bus):
    told = []
    bus.watch(lambda state, cause: told.append((state, bool(cause))))
    await harness.cut(bus)
    await ready(bus)
    await bus.close()
    assert told == [(BusState.AWAY, True), (BusState.READY, True), (BusState.AWAY, True)]


async def test_a_watcher_that_raises_keeps_nobody_from_coming_back(harness, bus, caplog):
    def raises(state, cause):
        raise ValueError("no")

    bus.watch(raises)
    await harness.cut(bus)
    await ready(bus)
    assert "no" in caplog.text


async def test_a_bus_can_be_cut_again_and_again(harness, bus):
    await bus.declare(only(own("mine")))
    taker = await Taker(bus).take("mine")
    for number in range(3):
        await harness.cut(bus)
        await ready(bus)
        await send(bus, "", "mine", [b"%d" % number])
        await taker.has(number + 1)
    assert bus.counters.connections_lost == 3
    assert bus.counters.reconnections == 3


async def test_declaring_twice_changes_nothing(bus):
    for _ in range(2):
        await bus.declare(only(plain("q")))
    await send(bus, "", "q", [b"1"])
    await bus.declare(only(plain("q")))
    depth = await bus.depth("q")
    assert depth is not None
    assert (depth.consumers, await bus.depth("missing")) == (0, None)


@pytest.mark.parametrize(
    "other",
    [
        only(plain("q", max_messages=7)),
        only(Queue("q", QueueKind.CLASSIC, 1000, 2**24, Overflow.REJECT_PUBLISH)),
        Topology(exchanges=(Exchange("x", ExchangeKind.TOPIC),)),
    ],
    ids=["bound", "kind", "exchange"],
)
async def test_another_shape_of_the_same_name_is_a_mismatch_and_is_not_remembered(harness, bus, other):
    await bus.declare(X)
    await bus.declare(only(plain("q")))
    with pytest.raises(TopologyMismatch, match=r"another shape|is there as"):
        await bus.declare(other)
    await harness.cut(bus)
    await ready(bus)


async def test_binding_what_is_missing_is_a_mismatch(bus):
    await bus.declare(only(plain("q")))
    with pytest.raises(TopologyMismatch, match="nowhere"):
        await bus.bind("q", "nowhere", ["a", "b"])
    with pytest.raises(TopologyMismatch, match="nobody"):
        await bus.declare(Topology((Exchange("x", ExchangeKind.DIRECT),), (), (Binding("x", "nobody", "a"),)))


async def test_taking_back_a_binding_that_is_not_there_changes_nothing(bus):
    await bus.declare(X)
    await bus.declare(only(plain("q")))
    await bus.unbind("q", "x", ["a"])


async def test_an_order_after_a_refused_one_is_carried_out(bus):
    await bus.declare(X)
    with pytest.raises(TopologyMismatch):
        await bus.declare(Topology(exchanges=(Exchange("x", ExchangeKind.TOPIC),)))
    await bus.declare(only(plain("q")))
    assert await bus.depth("q") is not None
    assert await bus.depth("missing") is None
    assert await bus.depth("q") is not None
