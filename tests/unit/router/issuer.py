"""An issuer of tokens: a small HTTP server that tells its keys."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from tests.unit.router.keyring import jwk, jwks


class Issuer:
    """Answers with `body` and `status`; `hold` keeps the answer back until it is set."""

    def __init__(self) -> None:
        self.body = jwks(jwk("RS256", kid="k"))
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.url = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        await self.hold.wait()
        return web.Response(body=self.body, status=self.status, headers=self.headers)


@pytest.fixture
async def issuer():
    issuer = Issuer()
    runner = web.ServerRunner(web.Server(issuer.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    issuer.url = f"http://{host}:{port}/keys"
    yield issuer
    issuer.hold.set()
    await runner.cleanup()
