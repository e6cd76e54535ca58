"""Listening over a WebSocket, to a gateway that does as it is told."""

import asyncio
import json

import pytest
from websockets.asyncio.server import serve

from penstock.cli.errors import CommandError
from penstock.cli.exits import Exit
from penstock.listening import over_websocket
from penstock.listening.over_websocket import listen, websocket_url
from tests.support.ports import free_port


class Gateway:
    """Follows a script, a list of steps for each connection: frames to send, or a (code, reason) to close with."""

    def __init__(self):
        self.scripts, self.received, self.url = [], [], ""

    async def serve(self, socket):
        self.received.append(json.loads(await socket.recv()))
        await socket.send('{"type": "connected", "id": 0, "user": "ada"}')
        for subscription in json.loads(await socket.recv()):
            await socket.send(json.dumps({"type": "subscribed", "id": subscription["id"]}))
        for step in self.scripts.pop(0):
            if isinstance(step, tuple):
                await socket.close(*step)
                return
            await socket.send(step if isinstance(step, str) else json.dumps(step))
        await socket.wait_closed()


@pytest.fixture
async def gateway():
    it = Gateway()
    async with serve(it.serve, "127.0.0.1", 0, subprotocols=["penstock.v1.json"]) as server:
        it.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield it


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(over_websocket, "full_jitter", lambda attempt, chance: 0.001)


MESSAGE = {"type": "message", "topic": "a", "at": 0, "data": 1}


class Ear:
    def __init__(self, enough):
        self.heard, self.told, self._enough = [], [], enough

    def hear(self, message):
        self.heard.append(message.data)
        return len(self.heard) < self._enough

    async def listen(self, url, *tokens, whose=""):
        tokens = iter(tokens or ["t"] * 9)
        async with asyncio.timeout(10):
            await listen(url, lambda: next(tokens), ["a"], self.hear, self.told.append, whose)


async def test_it_ends_when_enough_was_heard(gateway):
    gateway.scripts = [[MESSAGE, MESSAGE, MESSAGE]]
    ear = Ear(2)
    await ear.listen(gateway.url)
    assert ear.heard == [1, 1]
    assert ear.told == ["listening as ada; Ctrl-C ends it"]


@pytest.mark.parametrize("end", [(4000, "drain"), (1011, "bug"), (4002, "slow")])
async def test_it_comes_back_after_a_connection_that_broke(gateway, end):
    gateway.scripts = [[MESSAGE, end], [MESSAGE]]
    ear = Ear(2)
    await ear.listen(gateway.url)
    assert ear.heard == [1, 1]
    assert any(text.startswith(f"connection lost ({end[1]}, code {end[0]}); trying again") for text in ear.told)


async def test_it_comes_back_after_nonsense(gateway):
    gateway.scripts = [["hello"], [MESSAGE]]
    ear = Ear(1)
    await ear.listen(gateway.url)
    assert ear.heard == [1]


async def test_a_drain_names_the_wait_itself(gateway):
    gateway.scripts = [[{"type": "reconnect", "after": 0.05}], [MESSAGE]]
    ear = Ear(1)
    await ear.listen(gateway.url)
    assert any(text.endswith("trying again in 0.1 s") for text in ear.told)


async def test_a_code_that_asks_for_a_change_ends_it(gateway):
    gateway.scripts = [[(4103, "revoked")]]
    with pytest.raises(CommandError, match=r"closed the connection \(4103\): revoked") as refused:
        await Ear(1).listen(gateway.url)
    assert refused.value.code is Exit.REFUSED


@pytest.mark.parametrize(
    "step",
    [
        {"type": "error", "id": 1, "code": "forbidden", "reason": "no right"},
        (4101, "its signature does not hold"),
        (4102, "expired"),
    ],
    ids=["no right", "not taken", "expired"],
)
async def test_a_token_that_is_of_no_use_is_told_with_where_it_comes_from(gateway, step):
    gateway.scripts = [[step]]
    with pytest.raises(CommandError, match=r"\. It was found in the street\.$") as refused:
        await Ear(1).listen(gateway.url, whose="It was found in the street.")
    assert refused.value.code is Exit.REFUSED


async def test_what_no_token_would_mend_is_told_without(gateway):
    gateway.scripts = [[{"type": "error", "id": 1, "code": "bad_request", "reason": "what"}]]
    with pytest.raises(CommandError, match=r"refuses: a: what \(bad_request\)\.$"):
        await Ear(1).listen(gateway.url, whose="It was found in the street.")


async def test_an_expired_token_is_made_anew_where_it_can_be(gateway):
    gateway.scripts = [[(4102, "expired")], [MESSAGE]]
    ear = Ear(1)
    await ear.listen(gateway.url, "old", "new", "new")
    assert [frame["token"] for frame in gateway.received] == ["old", "new"]


async def test_an_expired_token_that_stays_the_same_ends_it(gateway):
    gateway.scripts = [[(4102, "expired")]]
    with pytest.raises(CommandError, match="The token has expired: make another"):
        await Ear(1).listen(gateway.url)


async def test_a_gateway_that_says_nothing_is_given_up(gateway, monkeypatch):
    monkeypatch.setattr(over_websocket, "SILENCE", 0.05)
    gateway.scripts = [[], [MESSAGE]]
    ear = Ear(1)
    await ear.listen(gateway.url)
    assert any("no answer in time" in text for text in ear.told)


async def test_nobody_there_at_the_very_first_ends_it():
    with pytest.raises(CommandError, match="No gateway answers at") as refused:
        await Ear(1).listen(f"http://127.0.0.1:{free_port()}")
    assert refused.value.code is Exit.UNREACHABLE


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/ws"),
        ("https://push.example.com/", "wss://push.example.com/ws"),
        ("wss://push.example.com/base/ws", "wss://push.example.com/base/ws"),
    ],
)
def test_the_address_of_the_socket_follows_from_the_gateways(url, expected):
    assert websocket_url(url) == expected


@pytest.mark.parametrize("url", ["", "push.example.com", "ftp://x", "http://"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(CommandError, match="is no http:// or https:// address"):
        websocket_url(url)


@pytest.mark.parametrize("code", ["timeout", "unavailable"])
async def test_a_gateway_that_has_no_router_or_no_broker_is_said_to_answer(code):
    async def serve_nobody(socket):
        await socket.recv()
        await socket.send(json.dumps({"type": "error", "id": 0, "code": code, "reason": "why"}))
        await socket.wait_closed()

    async with serve(serve_nobody, "127.0.0.1", 0, subprotocols=["penstock.v1.json"]) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        words = rf"gateway at {url} answers, .* \(why \({code}\)\): .* its /readyz"
        with pytest.raises(CommandError, match=words) as told:
            await Ear(1).listen(url)
    assert told.value.code is Exit.UNREACHABLE
