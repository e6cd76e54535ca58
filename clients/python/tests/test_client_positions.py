"""The client on a real socket: positions, tails, histories, and the order of those who wait."""

import asyncio

import pytest

from penstock_client import Gap, Message, Position, errors


async def answer_subscribe(peer, frame):
    peer.topics.append(frame["topic"])
    place = frame.get("from", {"epoch": "e", "offset": 3})
    recovered = {"recovered": True} if "from" in frame else {}
    await peer.send(type="subscribed", id=frame["id"], topic=frame["topic"], **place, **recovered)


async def test_a_position_is_that_of_the_reader_and_not_of_what_waits_for_it(gateway, client):
    gateway.answers["subscribe"] = answer_subscribe
    async with client() as c:
        subscription = c.subscribe("a")
        assert subscription.position is None
        async with subscription:
            assert subscription.position == Position("e", 3)
            for offset in (4, 5, 9):
                await gateway.emit("a", offset, offset=offset, epoch="e")
            await c.publish("b", 1)
            assert subscription.position == Position("e", 3)
            item = await anext(subscription)
            assert isinstance(item, Message)
            assert subscription.position == item.position == Position("e", 4)
            await anext(subscription)
            assert await anext(subscription) == Gap("a", "dropped", 9, "e", 3)
            assert subscription.position == Position("e", 8)


async def test_a_position_is_where_another_client_goes_on(gateway, client):
    gateway.answers["subscribe"] = answer_subscribe
    async with client() as c, c.subscribe("a") as messages:
        await gateway.emit("a", 1, offset=4, epoch="e")
        await anext(messages)
    async with client() as c, c.subscribe("a", since=messages.position) as messages:
        assert messages.position == Position("e", 4)
        assert gateway.peers[-1].of("subscribe")[0]["from"] == {"epoch": "e", "offset": 4}


async def test_after_a_drop_what_was_missed_comes_and_no_gap(gateway, client, at_once, until):
    gateway.answers["subscribe"] = answer_subscribe
    async with client() as c, c.subscribe("a") as messages:
        await gateway.emit("a", 4, offset=4, epoch="e")
        gateway.drop_everyone()
        await until(lambda: c.counters.resumes == 1, "the resumption")
        for offset in (4, 5, 6):
            await gateway.emit("a", offset, offset=offset, epoch="e")
        assert [(await anext(messages)).data for _ in range(3)] == [4, 5, 6]
        assert c.counters.duplicates == 1


async def test_a_second_iterator_reads_its_tail_from_the_history(gateway, client):
    async def history(peer, frame):
        kept = [{"type": "message", "topic": "a", "data": n, "at": 1, "offset": n, "epoch": "e"} for n in (2, 3)]
        await peer.send(type="result", id=frame["id"], topic="a", messages=kept, epoch="e", offset=3)

    gateway.answers.update(subscribe=answer_subscribe, history=history)
    async with client() as c, c.subscribe("a"), c.subscribe("a", tail=2) as second:
        await gateway.emit("a", 4, offset=4, epoch="e")
        assert [(await anext(second)).data for _ in range(3)] == [2, 3, 4]
        read = await c.history("a", limit=2, before=4)
        assert [message.data for message in read.messages] == [2, 3]
        assert (read.epoch, read.offset) == ("e", 3)
        assert gateway.peers[0].of("history")[-1] == {**gateway.peers[0].of("history")[-1], "before": 4, "limit": 2}


async def test_a_history_that_is_refused_is_an_error_with_its_code(gateway, client):
    async def refuse(peer, frame):
        await peer.send(type="error", id=frame["id"], code="not_found", reason="a keeps no history")

    gateway.answers["history"] = refuse
    async with client() as c:
        with pytest.raises(errors.HistoryError, match="keeps no history") as caught:
            await c.history("a")
    assert caught.value.code == "not_found"


async def test_a_tail_must_fit_into_the_buffer(gateway, client):
    async with client() as c:
        with pytest.raises(errors.InvalidArgument, match="buffer"):
            c.subscribe("a", tail=11, buffer=10)


async def test_who_waits_with_much_is_not_overtaken_by_those_with_little(gateway, client, until):
    held = []

    async def hold(peer, frame):
        held.append((peer, frame))

    gateway.answers["publish"] = hold
    async with client(max_send_size=1000, max_in_flight_bytes=1000) as c:
        sizes = (700, 600, 10)
        publishing = [asyncio.create_task(c.publish("a", "x" * size)) for size in sizes]
        for count in range(1, 4):
            await until(lambda count=count: len(held) >= count, "a publish")
            peer, frame = held[count - 1]
            assert len(frame["data"]) == sizes[count - 1]
            await peer.send(type="ok", id=frame["id"])
        await asyncio.gather(*publishing)
