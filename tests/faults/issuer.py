"""An issuer of tokens as a real HTTP server, which can be away, slow or out of order, and the tokens that it signs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import jwt
from aiohttp import web

from tests.support.penstock import claims_of
from tests.support.ports import different_ports
from tests.unit.router.keyring import jwk, jwks, private

ALGORITHM = "ES256"
FIRST, SECOND = "first", "second"
"""The names of its keys; it begins with the first alone."""


class Issuer:
    """Tells its keys at `url`. `hold` keeps answers back until it is set; `status` is what it answers with."""

    def __init__(self) -> None:
        self.status = 200
        self.requests = 0
        self.hold = asyncio.Event()
        self.hold.set()
        [self._port] = different_ports(1)
        self._kids = [FIRST]
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/keys"

    async def __aenter__(self) -> Issuer:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold.set()
        await self.close()

    async def open(self) -> None:
        """Be there, at the same place as before."""
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()

    async def close(self) -> None:
        """Be away: connections are refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def add_key(self) -> None:
        """Have the second key, too."""
        self._kids = [FIRST, SECOND]

    def token(
        self,
        user: str,
        *,
        subscribe: Sequence[str] = ("#",),
        publish: Sequence[str] = ("#",),
        kid: str = FIRST,
        key: int | None = None,
    ) -> str:
        """Return a signed token that names the key `kid`; `key` is that which signs, where it is another."""
        which = key if key is not None else _which(kid)
        signed = private(ALGORITHM, which)
        return jwt.encode(claims_of(user, subscribe, publish, 3600), signed, ALGORITHM, headers={"kid": kid})

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        await self.hold.wait()
        keys: list[dict[str, Any]] = [jwk(ALGORITHM, _which(kid), kid=kid) for kid in self._kids]
        return web.Response(body=jwks(*keys), status=self.status)


def _which(kid: str) -> int:
    return (FIRST, SECOND).index(kid)
