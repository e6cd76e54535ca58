"""What is acknowledged is taken off its queue, however many at once and whatever comes right behind."""

from shared.bus.port import Depth
from tests.contract.bus.harness import Taker, send
from tests.contract.bus.shapes import only, partition

MANY = [b"%d" % number for number in range(120)]


async def in_hand(bus, bodies):
    await bus.declare(only(partition("q")))
    await send(bus, "", "q", bodies)
    taker = await Taker(bus, acks=False).take("q", prefetch=200)
    await taker.has(len(bodies))
    return taker


async def test_many_that_are_acknowledged_do_not_come_again_though_the_channel_ends_at_once(harness, bus):
    taker = await in_hand(bus, MANY)
    taker.intake.ack_all(taker.received)
    await taker.intake.leave()
    assert (await bus.depth("q")).messages == 0
    other = await Taker(await harness.bus("other")).take("q")
    await send(bus, "", "q", [b"last"])
    assert [received.body for received in await other.has(1)] == [b"last"]


async def test_what_is_not_among_those_that_are_acknowledged_comes_again(harness, bus):
    few = MANY[:30]  # more that are not the first in hand may be lost with their channel, see docs/topology.md
    taker = await in_hand(bus, few)
    kept = [taker.received[place] for place in (3, 20)]
    taker.intake.ack_all([received for received in taker.received if received not in kept])
    assert all(map(taker.intake.holds, kept))
    assert await taker.intake.flush(kept[-1])
    await harness.cut(bus)
    await taker.has(len(few) + 2)
    assert taker.bodies[len(few) :] == [b"3", b"20"]
    assert await bus.depth("q") == Depth(0, 1)
