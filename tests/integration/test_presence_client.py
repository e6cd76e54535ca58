"""The Python client sees who is there."""

from __future__ import annotations

import pytest
from penstock_client import Client, Gap, Joined, Left, Message, errors

from tests.integration.test_presence import RULES, bearer
from tests.support.eventually import eventually
from tests.support.penstock import running


async def test_who_joins_and_leaves_is_yielded_and_after_a_loss_that_there_may_have_been_more() -> None:
    async with (
        running(gateways=2, **RULES) as penstock,
        Client(penstock.edges[0].url, token=bearer("ann", name="Ann")) as ann,
        ann.subscribe("room.1", presence=True) as room,
    ):
        seen = aiter(room)
        assert (await anext(seen)).member.user == "ann"  # type: ignore[union-attr]
        async with Client(penstock.edges[1].url, token=bearer("bob")) as bob, bob.subscribe("room.1") as quiet:
            joined = await anext(seen)
            assert isinstance(joined, Joined)
            assert (joined.topic, joined.member.user, joined.member.info) == ("room.1", "bob", None)
            await bob.publish("room.1", "hello")
            assert isinstance(await anext(seen), Message)
            assert isinstance(await anext(quiet), Message), "who does not ask is told nothing"
            there = await ann.presence("room.1")
            assert (there.count, {member.user: member.info for member in there.members}) == (
                2,
                {"ann": {"name": "Ann"}, "bob": None},
            )
        left = await anext(seen)
        assert isinstance(left, Left)
        assert left.member == joined.member
        penstock.edges[0].gateway._reception.connections.__iter__().__next__().abort()
        assert await anext(seen) == Gap("room.1", "presence")
        assert (await ann.presence("room.1")).count == 1


async def test_a_topic_without_presence_is_told_by_an_error() -> None:
    async with running(**RULES) as penstock, Client(penstock.edges[0].url, token=bearer("ann")) as ann:
        with pytest.raises(errors.PresenceError) as refused:
            await ann.presence("plain.1")
        assert refused.value.code == "not_found"
        with pytest.raises(errors.SubscribeError) as ended:
            async with ann.subscribe("plain.1", presence=True):
                pass
        assert ended.value.code == "not_found"
        assert await eventually(lambda: _is_connected(ann))


async def _is_connected(client: Client) -> bool:
    return client.state == "connected"
