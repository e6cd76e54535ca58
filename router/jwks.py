"""The issuer's keys, fetched from the one URL that is configured, and kept when it does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from yarl import URL

from router.keys import Key, KeySet, NeedsKeys, UnfitKey, read_jwks
from shared.clock import monotonic

log = logging.getLogger(__name__)

MAX_BODY = 256 * 1024
"""Bytes of a JWKS; a larger one is refused."""

_CHUNK = 16 * 1024
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(slots=True)
class JwksCounters:
    """What the fetching of keys has come to so far."""

    fetched: int = 0
    failed: int = 0
    keys: int = 0
    ignored_keys: int = 0


class Jwks:
    """A key source that one task keeps fresh.

    Keys are fetched again after `ttl` seconds, and when a token names a key that is not among them; but never more
    often than once in `interval` seconds, whatever tokens come. Old keys stay in use while the issuer is away.
    """

    def __init__(
        self,
        url: str,
        *,
        ttl: float = 600.0,
        interval: float = 30.0,
        timeout: float = 5.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.counters = JwksCounters()
        self.on_answer: Callable[[], None] = lambda: None
        """Called after each attempt to fetch, whatever came of it."""
        self._url = url
        self._ttl = ttl
        self._interval = interval
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._clock = clock
        self._keys: KeySet | None = None
        self._heard = False
        self._attempted = float("-inf")
        self._fetching = False
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def find(self, algorithm: str, kid: str | None) -> Key | NeedsKeys:
        """Return a key that was fetched; `NeedsKeys` where there is none, and then fetch as soon as may be."""
        key = self._keys.find(algorithm, kid) if self._keys is not None else None
        if key is not None:
            return key
        self._wanted.set()
        wait = 0.0 if self._fetching else max(0.0, self._attempted + self._interval - self._clock())
        return NeedsKeys(wait, self._heard)

    async def start(self) -> None:
        """Begin to keep the keys fresh. An issuer that is away delays nothing."""
        url = URL(self._url)
        if url.scheme == "http" and url.host not in _THIS_MACHINE:
            log.warning(
                "the issuer's keys come from %s without TLS: who is in between can put in keys of their own", url.host,
                extra={"event": "jwks.plain"},
            )  # fmt: skip
        self._wanted.set()
        self._task = asyncio.create_task(self._run(), name="jwks")

    async def stop(self) -> None:
        """Fetch no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        # The cookie jar is a dummy and the environment's proxies are not looked at: one URL, asked in one way.
        async with aiohttp.ClientSession(
            timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as http:
            while True:
                await self._due()
                self._attempted = self._clock()
                self._fetching = True
                try:
                    self._take(await self._fetch(http))
                except Exception as error:  # whatever an issuer answers, it must not be asked for the last time
                    self._fail(error)
                finally:
                    self._fetching = False
                self._wanted.clear()
                self.on_answer()

    async def _due(self) -> None:
        """Return when keys should be fetched, and may be."""
        if self._heard:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._attempted + self._ttl - self._clock())):
                    await self._wanted.wait()
        await asyncio.sleep(max(0.0, self._attempted + self._interval - self._clock()))

    async def _fetch(self, http: aiohttp.ClientSession) -> KeySet:
        async with http.get(self._url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as response:
            if response.status != 200:
                raise UnfitKey(f"it answered {response.status}")
            body = b""
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > MAX_BODY:
                    raise UnfitKey(f"it is larger than {MAX_BODY} bytes")
            return read_jwks(body)

    def _take(self, keys: KeySet) -> None:
        self._keys, self._heard = keys, True
        self.counters.fetched += 1
        self.counters.keys, self.counters.ignored_keys = len(keys), keys.ignored
        log.info(
            "the issuer's keys were fetched: %d of use, %d ignored", len(keys), keys.ignored,
            extra={"event": "jwks.fetched"},
        )  # fmt: skip

    def _fail(self, error: Exception) -> None:
        self._heard = False
        self.counters.failed += 1
        kept = f"the {len(self._keys)} known keys stay in use" if self._keys is not None else "no token can be checked"
        log.warning(
            "the issuer's keys could not be fetched from %s (%s); %s, and it is tried again in %g s",
            URL(self._url).with_user(None).with_query(None), str(error) or type(error).__name__, kept, self._interval,
            extra={"event": "jwks.failed"},
        )  # fmt: skip
