"""Cancelling at each await leaves no task and no open socket behind."""

import asyncio

import pytest

from penstock_client import Settings, State
from penstock_client.connection import open_connection


async def never(peer, frame):
    """Answer nothing."""


async def cancel(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def penstock_tasks():
    return [task.get_name() for task in asyncio.all_tasks() if "penstock-client" in task.get_name()]


async def gone(gateway, until):
    """Wait until nothing of the client is left, here or at the gateway."""
    await until(lambda: not penstock_tasks(), "the client's tasks")
    await until(lambda: not gateway.open, "the connections")


async def enter(client):
    async with client:
        await asyncio.Event().wait()


async def test_cancelled_while_the_token_is_fetched(gateway, client, until):
    asked = asyncio.Event()

    async def get_token():
        asked.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(enter(client(token=get_token)))
    await asked.wait()
    await cancel(task)
    await gone(gateway, until)


async def test_cancelled_while_the_handshake_goes_on(client, until):
    opened, closed = asyncio.Event(), asyncio.Event()

    async def mute(reader, writer):
        opened.set()
        await reader.read(-1)
        writer.close()
        closed.set()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    c = client()
    c.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
    task = asyncio.create_task(enter(c))
    await opened.wait()
    await cancel(task)
    await asyncio.wait_for(closed.wait(), 5)
    server.close()
    await server.wait_closed()
    assert c.state is State.CLOSED
    assert penstock_tasks() == []


async def test_cancelled_while_connect_is_unanswered(gateway, client, until):
    gateway.answers["connect"] = never
    task = asyncio.create_task(enter(client()))
    await until(lambda: gateway.peers and gateway.peers[0].frames, "connect")
    await cancel(task)
    await gone(gateway, until)


async def test_cancelled_in_the_body(gateway, client, until):
    task = asyncio.create_task(enter(client()))
    await until(lambda: gateway.peers and gateway.peers[0].frames, "connect")
    await cancel(task)
    await gone(gateway, until)


async def test_cancelled_while_waiting_to_come_back(gateway, client, until, monkeypatch):
    monkeypatch.setattr("penstock_client.driver.random.random", lambda: 0.99)
    c = client()
    task = asyncio.create_task(enter(c))
    await until(lambda: c.state == "connected", "the connection")
    gateway.drop_everyone()
    await until(lambda: c.state == "waiting", "the pause")
    await cancel(task)
    await gone(gateway, until)


async def test_cancelled_twice_while_leaving_a_gateway_that_does_not_say_goodbye(client, gateway, until):
    stuck = asyncio.Event()

    async def block(peer, frame):
        peer.websocket.transport.pause_reading()
        await stuck.wait()

    gateway.answers["publish"] = block
    c = client(close_timeout=30)

    async def publish_and_leave():
        async with c:
            publishing = asyncio.create_task(c.publish("a", 1))
            await until(lambda: gateway.peers[0].of("publish"), "the publish")
        with pytest.raises(Exception, match="unknown"):
            await publishing

    task = asyncio.create_task(publish_and_leave())
    await until(lambda: c.state == "closed", "leaving")
    await cancel(task)
    await until(lambda: not penstock_tasks(), "the client's tasks")
    stuck.set()
    gateway.drop_everyone()


async def test_cancelled_while_a_subscription_is_unanswered(gateway, client, until):
    gateway.answers["subscribe"] = never
    async with client() as c:
        held = c.subscribe("a")

        async def subscribe():
            async with held:
                pytest.fail("never entered")

        task = asyncio.create_task(subscribe())
        await until(lambda: gateway.peers[0].of("subscribe"), "subscribe")
        await cancel(task)
        await until(lambda: gateway.peers[0].of("unsubscribe"), "unsubscribe")


async def test_cancelled_while_waiting_for_a_message(gateway, client, until):
    async with client() as c:

        async def follow():
            async for _ in c.subscribe("a"):
                pass

        task = asyncio.create_task(follow())
        await gateway.subscribed("a")
        await cancel(task)
        del task
        await until(lambda: gateway.peers[0].of("unsubscribe"), "unsubscribe")


async def test_a_cancelled_publish_gives_its_place_back(gateway, client, until):
    gateway.answers["publish"] = never
    async with client(max_in_flight=1) as c:
        sent = asyncio.create_task(c.publish("a", 1))
        await until(lambda: gateway.peers[0].of("publish"), "the publish")
        waiting = asyncio.create_task(c.publish("a", 2))
        await asyncio.sleep(0)
        await cancel(waiting)
        await cancel(sent)
        gateway.answers.clear()
        assert (await c.publish("a", 3)).offset == 1


async def test_cancelled_while_following_the_states(gateway, client, until):
    async with client() as c:

        async def follow():
            async for _ in c.states():
                pass

        task = asyncio.create_task(follow())
        await until(lambda: c._watchers._backlogs, "the watcher")
        await cancel(task)
        await until(lambda: not c._watchers._backlogs, "its end")


async def test_a_token_on_its_way_is_dropped_with_the_connection(gateway, client, until):
    asked = []

    async def get_token():
        asked.append(1)
        if len(asked) > 1:
            await asyncio.Event().wait()
        return "t"

    gateway.expires_in = 0.1
    async with client(token=get_token):
        await until(lambda: len(asked) == 2, "the second token")
        assert "penstock-client-token" in penstock_tasks()
    assert penstock_tasks() == []
    await gone(gateway, until)


async def test_leaving_returns_when_no_task_and_no_timer_is_left(gateway, client):
    async with client() as c:
        assert sorted(penstock_tasks()) == ["penstock-client", "penstock-client-writer"]
        timer = c._driver._timer
    assert penstock_tasks() == []
    assert timer.cancelled()


async def test_a_fault_of_our_own_reaches_those_who_wait(gateway, client, monkeypatch):
    def broken(self, frame, now):
        raise ZeroDivisionError("a fault")

    async with client() as c, c.subscribe("a") as messages:
        monkeypatch.setattr("penstock_client.session.Session.receive", broken)
        await gateway.emit("a", 1)
        with pytest.raises(Exception, match="fault of its own"):
            await anext(messages)
        assert c.state == "closed"


async def test_closing_a_lost_connection_waits_for_its_writer(gateway, until):
    connection = await open_connection(f"{gateway.url}/ws", Settings(), None, None)
    await until(lambda: gateway.peers, "the connection")
    gateway.drop_everyone()
    assert await connection.receive() is None
    await connection.close()
    assert penstock_tasks() == []
