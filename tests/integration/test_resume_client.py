"""The Python client comes back to a pattern, again and again, and is told of a hole only where there may be one."""

from __future__ import annotations

import time

from penstock_client import Client, Gap, Message

from tests.support.eventually import eventually
from tests.support.penstock import Penstock, running, token


async def cut(penstock: Penstock, client: Client, times: int) -> None:
    """Cut the client's connection; return when it is back for so many times, with its subscription."""
    edge = penstock.edges[0]
    [connection] = edge.gateway._reception.connections
    connection.abort()

    def is_back() -> bool:
        others = [each for each in edge.gateway._reception.connections if each is not connection]
        return client.counters.connections == times + 1 and [each.session.topics for each in others] == [
            {"orders.*": None}
        ]

    await eventually(is_back)


async def test_what_nobody_knows_to_be_missing_is_a_gap_once_however_often_the_connection_is_lost() -> None:
    async with (
        running() as penstock,
        Client(penstock.edges[0].url, token=token(subscribe=["orders.*"]), proxy=None) as client,
        client.subscribe("orders.*") as orders,
    ):
        await penstock.emit("orders.1", 1)
        first = await anext(orders)
        assert isinstance(first, Message)
        store = penstock.desks[0].store
        store.logs.clear()
        store._born = time.monotonic()
        await cut(penstock, client, 1)
        assert await anext(orders) == Gap("orders.*", "reconnected")
        for times in (2, 3):
            await cut(penstock, client, times)
        await penstock.emit("orders.2", 2)
        told = await anext(orders)
        assert isinstance(told, Message), "nothing was missed since"
        assert told.data == 2
