"""A bus whose connection is lost in the middle of an order."""

import asyncio
from types import SimpleNamespace

from shared.bus.amqp import AmqpBus
from shared.bus.amqp_intake import AmqpIntake
from shared.bus.port import Source
from shared.errors import BusAway


async def test_who_begins_to_consume_as_the_connection_is_lost_consumes_when_it_is_back(monkeypatch):
    bus = AmqpBus("amqp://127.0.0.1", "test")
    lost = asyncio.get_running_loop().create_future()
    bus._session = SimpleNamespace(consuming=None, lost=lost)

    async def begin(intake, link):
        bus._session = None
        lost.set_result("the broker did not answer within 10 s")
        raise BusAway(lost.result())

    monkeypatch.setattr(AmqpIntake, "begin", begin)
    intake = await bus.consume((Source("q"),), lambda received: None, prefetch=1)
    assert intake in bus._intakes, "it is begun with the next connection"
