"""What is left of a connection that is gone."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from gateway.session import Session
from gateway.transports.websocket import Connection, FrameProtocol
from tests.support.eventually import eventually
from tests.support.penstock import running


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def parts() -> dict[int, object]:
    """What there is of connections in this process, other tests' things among them."""
    return {id(each): each for each in gc.get_objects() if type(each) in (Connection, Session, FrameProtocol)}


@pytest.mark.usefixtures("no_collector")
async def test_nothing_of_a_connection_that_is_gone_waits_for_the_collector() -> None:
    others = parts()
    async with running() as penstock:
        client = await penstock.subscribed("a")
        assert len(parts().keys() - others) == 3
        await client.leave()
        await eventually(lambda: not parts().keys() - others)
