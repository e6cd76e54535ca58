"""Clients as others write them: each library in both dialects, with all that it does by itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.support.client import JSON, MSGPACK
from tests.support.eventually import eventually
from tests.support.libraries import LIBRARIES, Library, soon
from tests.support.penstock import Penstock, running, token

every_library = pytest.mark.parametrize("library", LIBRARIES)
both = pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
LARGE = "x" * 60_000


class Talk:
    """Frames over a library's WebSocket."""

    def __init__(self, library: Library, subprotocol: str) -> None:
        self.library = library
        self._is_text = subprotocol == JSON
        self._codec = msgspec.json if self._is_text else msgspec.msgpack

    def written(self, frame: dict[str, Any]) -> Any:
        data = self._codec.encode(frame)
        return data.decode() if self._is_text else data

    async def ask(self, kind: str, number: int, **fields: Any) -> dict[str, Any]:
        await self.library.send(self.written({"type": kind, "id": number} | fields))
        return await self.hear()

    async def hear(self) -> dict[str, Any]:
        message = await soon(self.library.receive())
        assert isinstance(message, str) is self._is_text
        frame: dict[str, Any] = self._codec.decode(message)
        return frame


@contextlib.asynccontextmanager
async def talking(penstock: Penstock, library: str, subprotocol: str) -> AsyncIterator[Talk]:
    """Return a WebSocket that is open, and says nothing yet."""
    opened = await soon(LIBRARIES[library](penstock.edges[0].url, subprotocol))
    try:
        yield Talk(opened, subprotocol)
    finally:
        await soon(opened.leave())


@every_library
@both
async def test_it_connects_subscribes_publishes_and_hears(library: str, subprotocol: str) -> None:
    async with running() as penstock, talking(penstock, library, subprotocol) as talk:
        assert (await talk.ask("connect", 1, token=token("ada")))["user"] == "ada"
        assert (await talk.ask("subscribe", 2, topic="a.*"))["type"] == "subscribed"
        for number, data in enumerate((None, {"é": [1, 2.5]}, LARGE), 3):
            await talk.library.send(talk.written({"type": "publish", "id": number, "topic": "a.b", "data": data}))
            frames = sorted([await talk.hear(), await talk.hear()], key=lambda frame: str(frame["type"]))
            assert [frame["type"] for frame in frames] == ["message", "ok"]
            assert frames[0]["data"] == data


@every_library
@both
async def test_a_message_in_fragments_is_one_message(library: str, subprotocol: str) -> None:
    async with running() as penstock, talking(penstock, library, subprotocol) as talk:
        whole = talk.written({"type": "connect", "id": 1, "token": token("ada")})
        await talk.library.send_in_pieces([whole[:1], whole[1:1], whole[1:200], whole[200:]])
        assert (await talk.hear())["type"] == "connected"


@every_library
async def test_compression_is_offered_and_gone_without(library: str) -> None:
    async with running() as penstock, talking(penstock, library, JSON) as talk:
        assert not talk.library.compresses
        assert (await talk.ask("connect", 1, token=token("ada")))["type"] == "connected"


@every_library
async def test_its_ping_is_answered_before_and_after_it_is_let_in(library: str) -> None:
    async with running() as penstock, talking(penstock, library, JSON) as talk:
        await soon(talk.library.ping())
        assert (await talk.ask("connect", 1, token=token("ada")))["type"] == "connected"
        await soon(talk.library.ping())


@every_library
@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_when_it_closes_its_code_comes_back(library: str, code: int) -> None:
    async with running() as penstock, talking(penstock, library, JSON) as talk:
        assert (await talk.ask("connect", 1, token=token("ada")))["type"] == "connected"
        await soon(talk.library.close(code))
        assert talk.library.close_code == code
        await eventually(lambda: penstock.counters.connections == 0)


@every_library
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "connect", "id": 1, "token": "none"}, 4101),
        ({"type": "pong", "padding": "x" * 70_000}, 4107),
        ("no frame", 4106),
    ],
)
async def test_it_is_told_why_it_is_closed(library: str, frame: Any, code: int) -> None:
    async with running() as penstock, talking(penstock, library, JSON) as talk:
        await talk.library.send(talk.written(frame))
        with contextlib.suppress(EOFError):
            while True:
                await talk.hear()
        assert talk.library.close_code == code
