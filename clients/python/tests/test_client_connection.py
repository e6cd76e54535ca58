"""The client on a real socket: coming back, giving up, tokens, silence."""

import asyncio
import contextlib
import socket
import time

import pytest
from websockets.asyncio.server import serve

from penstock_client import Client, Gap, Settings, State, errors


async def test_after_a_drop_the_client_comes_back_and_subscribes_again(gateway, client, at_once):
    async with client() as c, c.subscribe("orders.*") as orders, c.subscribe("a"):
        gateway.drop_everyone()
        assert await anext(orders) == Gap("orders.*", "reconnected")
        await gateway.subscribed("orders.*")
        await gateway.emit("orders.1", 2)
        assert (await anext(orders)).data == 2
        assert sorted(gateway.peers[-1].topics) == ["a", "orders.*"]
        assert c.counters.connections == 2
        assert c.counters.losses == 1


@pytest.mark.parametrize("code", [1001, 1011, 4000, 4001, 4002, 4003, 4004])
async def test_a_code_that_lets_us_come_back_does(gateway, client, at_once, until, code):
    async with client() as c:
        await gateway.close_everyone(code)
        await until(lambda: c.counters.connections == 2, "the second connection")
        await c.publish("a", 1)


async def test_a_publish_waits_for_the_connection_to_come_back(gateway, client, at_once):
    async with client() as c:
        gateway.drop_everyone()
        async for state in c.states():
            if state is State.WAITING:
                break
        assert (await c.publish("a", 1)).offset == 1


async def test_a_publish_that_finds_no_connection_in_time_was_not_sent(gateway, client, until):
    async with client() as c:
        await gateway.stop()
        await until(lambda: c.state != "connected", "the loss")
        with pytest.raises(errors.Unavailable, match="not sent"):
            await c.publish("a", 1, timeout=0.05)


async def test_while_nobody_answers_the_pauses_are_those_of_full_jitter(gateway, client, monkeypatch, until):
    pauses = []
    sleep = asyncio.sleep

    async def no_sleep(seconds):
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr("penstock_client.driver.asyncio.sleep", no_sleep)
    async with client():
        await gateway.stop()
        end = time.monotonic() + 10
        while len(pauses) < 40:
            assert time.monotonic() < end
            await sleep(0.005)
    for attempt, pause in enumerate(pauses):
        assert 0 <= pause <= min(20, 0.5 * 2**attempt)
    assert len(set(pauses)) == len(pauses)
    assert max(pauses) > 5


async def test_a_draining_gateway_is_left_and_returned_to(gateway, client, at_once, until):
    async with client() as c:
        await gateway.say(type="reconnect", after=0.01)
        await until(lambda: c.counters.connections == 2, "the second connection")
        assert gateway.peers[0].websocket.close_code == 1000


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (4100, errors.NotAuthenticated),
        (4101, errors.BadToken),
        (4102, errors.TokenExpired),
        (4103, errors.Revoked),
        (4104, errors.TooManyConnections),
        (4105, errors.Flooding),
        (4199, errors.ConnectionFailed),
    ],
)
async def test_a_code_of_41xx_stops_the_client_and_everything_in_it(gateway, client, code, error):
    async with client() as c, c.subscribe("a") as messages:
        await gateway.close_everyone(code, "enough")
        with pytest.raises(error, match="enough"):
            await anext(messages)
        assert c.state is State.CLOSED
        assert type(c.error) is error
        with pytest.raises(error):
            await c.publish("a", 1)
        with pytest.raises(error):
            await anext(c.subscribe("b"))
    assert len(gateway.peers) == 1


async def test_a_bad_token_is_raised_on_entering(gateway, client):
    async def refuse(peer, frame):
        await peer.send(type="error", id=frame["id"], code="unauthenticated", reason="wrong signature")
        await peer.websocket.close(4101, "wrong signature")

    gateway.answers["connect"] = refuse
    with pytest.raises(errors.BadToken, match="wrong signature"):
        async with client():
            pytest.fail("never entered")


async def test_an_expired_token_is_replaced_by_the_provider(gateway, client, at_once, until):
    tokens = iter(["one", "two", "three"])
    async with client(token=lambda: next(tokens)) as c:
        await gateway.close_everyone(4102, "expired")
        await until(lambda: c.counters.connections == 2, "the second connection")
    assert [peer.of("connect")[0]["token"] for peer in gateway.peers] == ["one", "two"]


async def test_a_token_is_kept_over_a_reconnect(gateway, client, at_once, until):
    tokens = iter(["one", "two"])
    async with client(token=lambda: next(tokens)) as c:
        gateway.drop_everyone()
        await until(lambda: c.counters.connections == 2, "the second connection")
    assert [peer.of("connect")[0]["token"] for peer in gateway.peers] == ["one", "one"]


async def test_a_token_is_refreshed_before_it_expires(gateway, client, until):
    asked = []

    async def get_token():
        asked.append(len(asked))
        return f"token-{len(asked)}"

    gateway.expires_in = 2
    async with client(token=get_token) as c:
        await until(lambda: c.counters.renewals == 1, "a renewal")
        assert gateway.peers[0].of("refresh")[0]["token"] == "token-2"
        assert len(gateway.peers) == 1


async def test_a_provider_that_fails_is_asked_again(gateway, client, at_once):
    answers = iter([OSError("identity service away"), "good"])

    def get_token():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with client(token=get_token) as c:
        assert c.state == "connected"


async def test_a_provider_may_say_that_there_is_no_token_to_be_had(gateway, client):
    def get_token():
        raise errors.AuthenticationError("signed out")

    with pytest.raises(errors.AuthenticationError, match="signed out"):
        async with client(token=get_token):
            pytest.fail("never entered")


async def test_a_silent_gateway_is_left_and_a_new_connection_made(gateway, client, at_once, until):
    async with client(silence=0.05, close_timeout=0.05) as c:
        await until(lambda: c.counters.silences >= 1 and c.counters.connections >= 2, "a new connection")


async def test_pings_are_answered_and_keep_a_quiet_connection(gateway, client, until):
    async with client(silence=0.2) as c:
        for count in range(1, 7):
            await asyncio.sleep(0.05)
            await gateway.say(type="ping")
            await until(lambda count=count: len(gateway.peers[0].of("pong")) == count, "a pong")
        assert c.counters.silences == 0
        assert len(gateway.peers) == 1


async def test_a_gateway_that_breaks_the_protocol_is_left_and_tried_again(gateway, client, at_once, until):
    async with client() as c:
        await gateway.peers[0].websocket.send("not a frame")
        await until(lambda: c.counters.connections == 2, "the second connection")
        assert c.counters.malformed == 1
        await gateway.peers[1].websocket.send("[" * 100_000)
        await until(lambda: c.counters.connections == 3, "the third connection")


async def test_a_message_larger_than_the_bound_costs_the_connection_only(gateway, client, at_once, until):
    async with client(max_message_size=1000) as c, c.subscribe("a"):
        await gateway.emit("a", "x" * 2000)
        await until(lambda: c.counters.connections == 2, "the second connection")
        assert gateway.peers[0].websocket.close_code == 1009


async def test_a_gateway_that_asks_and_never_reads_costs_the_connection_once_the_queue_is_full(client, gateway, until):
    release = asyncio.Event()

    async def stuck(peer, frame):
        await release.wait()

    gateway.answers["publish"] = stuck
    bounds = {"max_in_flight": 400, "max_subscriptions": 1, "max_send_queue": 401, "max_in_flight_bytes": 1 << 25}
    async with client(close_timeout=0.05, **bounds) as c:
        publishes = [asyncio.create_task(c.publish("a", "x" * 50_000, timeout=2)) for _ in range(400)]
        await until(lambda: gateway.peers[0].of("publish"), "the first publish")
        for _ in range(500):
            await gateway.say(type="ping")
        await until(lambda: c.counters.losses == 1, "the loss")
        assert c.counters.send_queue_overflows == 1
        release.set()
        results = await asyncio.gather(*publishes, return_exceptions=True)
    assert all(isinstance(result, errors.OutcomeUnknown) for result in results)


async def test_states_can_be_followed_to_the_end(gateway, client, at_once, until):
    c = client()
    seen = []

    async def follow():
        async for state in c.states():
            seen.append(state)

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    async with c:
        await gateway.say(type="degraded", reason="broker away")
        await until(lambda: c.state == "degraded", "degraded")
        await gateway.say(type="restored")
        await until(lambda: c.state == "connected", "restored")
        gateway.drop_everyone()
        await until(lambda: c.counters.connections == 2, "the second connection")
    await following
    lost = ["waiting", "connecting", "connected"]
    assert seen == ["idle", "connecting", "connected", "degraded", "connected", *lost, "closed"]


async def test_nobody_at_the_address_is_said_in_words():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    client = Client(url, token="t", settings=Settings(open_timeout=0.2), proxy=None)
    with pytest.raises(errors.Unreachable, match="cannot be reached"):
        async with client:
            pytest.fail("never entered")
    assert client.state == "closed"


@pytest.mark.parametrize(("status", "error"), [(403, errors.NotPenstock), (404, errors.NotPenstock)])
async def test_an_answer_that_no_gateway_gives_stops_at_once(status, error):
    def refuse(connection, request):
        return connection.respond(status, "no")

    async with serve(None, "127.0.0.1", 0, process_request=refuse) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        with pytest.raises(error, match=str(status)):
            async with Client(url, token="t", proxy=None):
                pytest.fail("never entered")


async def test_a_busy_answer_is_tried_again(gateway, at_once):
    tries = []

    def refuse_twice(connection, request):
        tries.append(request)
        return connection.respond(503, "busy") if len(tries) < 3 else None

    async with serve(
        gateway.serve, "127.0.0.1", 0, process_request=refuse_twice, subprotocols=["penstock.v1.json"]
    ) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with Client(url, token="t", proxy=None) as c:
            assert c.counters.losses == 2


async def test_a_redirect_is_not_followed_since_the_token_is_not_for_others(gateway):
    def elsewhere(connection, request):
        response = connection.respond(307, "")
        response.headers["Location"] = gateway.url
        return response

    async with serve(None, "127.0.0.1", 0, process_request=elsewhere) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        with pytest.raises(errors.NotPenstock, match="points to"):
            async with Client(url, token="t", proxy=None):
                pytest.fail("never entered")
    assert gateway.peers == []


async def test_a_websocket_of_another_protocol_is_no_gateway():
    async def echo(websocket):
        with contextlib.suppress(Exception):
            async for message in websocket:
                await websocket.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        with pytest.raises(errors.NotPenstock, match="does not speak"):
            async with Client(url, token="t", proxy=None):
                pytest.fail("never entered")


async def test_neither_token_nor_payload_is_ever_logged(gateway, client, at_once, until, caplog):
    caplog.set_level("DEBUG", logger="penstock_client")
    async with client(token="canary-token") as c:
        await c.publish("a", "canary-data")
        gateway.drop_everyone()
        await until(lambda: c.counters.connections == 2, "the second connection")
        await gateway.close_everyone(4103, "revoked")
        await until(lambda: c.state == "closed", "the end")
    assert "revoked" in caplog.text
    assert "canary" not in caplog.text
    assert "canary" not in repr(c)
