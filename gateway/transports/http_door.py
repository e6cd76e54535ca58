"""HTTP on the gateway's port, by aiohttp's low-level server: a connection that brings good events lives on.

After every other answer it is closed, and nothing that follows such a request is read as another one. An event counts
as good when an API key came with it, it was taken, and its plain Content-Length leaves no doubt where it ended: then a
proxy and we cannot disagree about that (request smuggling).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.addresses import TrustedProxies
from gateway.settings import GatewaySettings
from gateway.transports import answers, sessions
from gateway.transports.callers import Callers
from gateway.transports.counters import PortCounters
from gateway.transports.events import Emit, EventsApi, Refusal
from gateway.transports.heads import RequestHead, read_head
from gateway.transports.listener import peer_of
from shared.bus.port import CONFIRM_TIMEOUT
from shared.clock import monotonic
from shared.codes import ErrorCode
from shared.health import Answer, healthz
from shared.telemetry.exposition import CONTENT_TYPE as METRICS_TYPE

log = logging.getLogger(__name__)

LINGER = 2.0
"""Seconds for which the rest of a refused body is thrown away, so that a back end can read why. Nobody else's is."""

RETRY_FULL = 1
"""Seconds that clients are told to wait when too many connections speak HTTP."""

WEBSOCKET_PATH = "/ws"
HELP = "here are /ws (WebSocket), POST /api/events/{topic}, /api/sessions, /healthz, /readyz and /metrics"

_EVENTS = "/api/events/"


class HttpDoor:
    """Answers requests. `ready` and `metrics` return what ``/readyz`` and ``/metrics`` say."""

    def __init__(
        self,
        settings: GatewaySettings,
        counters: PortCounters,
        *,
        emit: Emit,
        ready: Callable[[], Answer],
        metrics: Callable[[], bytes],
        sessions: sessions.Ask,
    ) -> None:
        limits = settings.gateway
        self._counters = counters
        born = monotonic()
        self._health = {"/healthz": lambda: healthz(uptime=monotonic() - born), "/readyz": ready}
        self._metrics = metrics
        self._sessions = sessions
        self._events = EventsApi(
            emit,
            [key.get_secret_value() for key in settings.api_keys],
            max_bytes=limits.max_event_bytes,
            timeout=limits.http_timeout,
        )
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._callers = Callers(limits.max_http_per_address)
        self._max_connections = limits.max_http_connections
        self._lifetime = 2 * limits.http_timeout + CONFIRM_TIMEOUT
        """Seconds for one request: its body, the work, and the answer to be read; then the connection is dropped."""
        self._idle = limits.http_timeout
        self._loop = asyncio.get_running_loop()
        self._server = web.Server(self._handle)
        self._is_open = True
        self._unused = asyncio.Event()
        self._unused.set()

    def take(self, transport: asyncio.Transport, data: bytes) -> None:
        """Take a connection whose first bytes, a whole head among them, are `data`."""
        head = read_head(data)
        if head is not None and self._tell_health(head, transport):
            return
        caller = None
        reason = "too many connections speak HTTP"
        is_full = self._counters.http_connections >= self._max_connections
        if not is_full and not (head is not None and self._events.knows(head.key)):
            caller = self._proxies.client_address(peer_of(transport), () if head is None else head.forwarded_for)
            reason = "too many connections from this address speak HTTP without an API key"
            is_full = not self._callers.enter(caller)
        if is_full:
            self._counters.http_refused += 1
            log.info("request refused: %s", reason, extra={"event": "http.full"})
            transport.write(
                answers.whole(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.OVERLOADED, reason, retry_after=RETRY_FULL)
            )
            transport.close()
            return
        self._counters.http_connections += 1
        self._unused.clear()
        protocol = _Connection(self, self._server, self._loop, idle=self._idle, caller=caller)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.expire_in(self._lifetime)
        protocol.data_received(data)

    def _tell_health(self, head: RequestHead, transport: asyncio.Transport) -> bool:
        """Answer who asks how we are, at once and whatever else there is to do; say whether that was it."""
        health = self._health.get(head.path)
        if health is None or head.method not in ("GET", "HEAD"):
            return False
        answer = health()
        self._count(answer.status)
        transport.write(answers.last(HTTPStatus(answer.status), answer.body, head=head.method == "HEAD"))
        transport.close()
        return True

    async def close(self, within: float = LINGER) -> None:
        """Let requests finish, for `within` seconds, and drop what is left.

        The port is closed by then. aiohttp's own shutdown would read no more of bodies that are on their way.
        """
        self._is_open = False
        for connection in self._server.connections:
            if cast(_Connection, connection).rests:
                connection.force_close()  # what was written still goes out
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._unused.wait()
        await self._server.shutdown(0)

    def finish(self, response: web.Response, *, lives_on: bool = False) -> web.Response:
        """Return a response as it leaves: counted, and the last one of its connection unless that `lives_on`."""
        self._count(response.status)
        response.headers.update(answers.HEADERS)
        if not lives_on:
            response.force_close()
        return response

    def lost(self, caller: str | None) -> None:
        """Take the end of a connection, which was counted as one of `caller`'s."""
        if caller is not None:
            self._callers.leave(caller)
        self._counters.http_connections -= 1
        if not self._counters.http_connections:
            self._unused.set()

    def _count(self, status: int) -> None:
        counts = self._counters.http_answers
        counts[str(status)] = counts.get(str(status), 0) + 1

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast(_Connection, request.protocol)
        connection.rests = False
        connection.expire_in(self._lifetime)
        try:
            response = await self._answer(request)
        except Refusal as refusal:
            log.info("request refused: %s", refusal, extra={"event": "http.refused", "status": refusal.status.value})
            response = refusal.response()
        except (ConnectionError, web.RequestPayloadError):
            response = Refusal(HTTPStatus.BAD_REQUEST, ErrorCode.BAD_REQUEST, "the body cannot be read").response()
        except Exception:  # the border: it is counted and told, and the client learns no more than that
            log.exception("a request failed", extra={"event": "http.failed", "path": request.path[:200]})
            self._counters.http_failures += 1
            response = Refusal(
                HTTPStatus.INTERNAL_SERVER_ERROR, ErrorCode.INTERNAL, "the gateway failed; its log says why"
            ).response()
        connection.rests = self._is_open and response.status == HTTPStatus.ACCEPTED and _ends_plainly(request)
        return self.finish(response, lives_on=connection.rests)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = request.path
        if path.startswith(_EVENTS):
            _allow(request, "POST")
            return await self._events.post(request, path.removeprefix(_EVENTS))
        if path == sessions.PATH:
            _allow(request, "GET")
            self._events.authorize(request)
            return await sessions.answer(request, self._sessions)
        if (health := self._health.get(path)) is not None:  # behind an event, on its connection
            _allow(request, "GET", "HEAD")
            return _facts(health())
        if path == "/metrics":
            _allow(request, "GET", "HEAD")
            return web.Response(body=self._metrics(), headers={"Content-Type": METRICS_TYPE})
        if path == WEBSOCKET_PATH:
            reason = "this is a WebSocket: connect to it with a WebSocket client"
            raise Refusal(HTTPStatus.UPGRADE_REQUIRED, ErrorCode.BAD_REQUEST, reason, {"Upgrade": "websocket"})
        raise Refusal(HTTPStatus.NOT_FOUND, ErrorCode.NOT_FOUND, f"nothing is here; {HELP}")


class _Connection(RequestHandler):
    """aiohttp's side of one connection, with our words where it cannot read a request."""

    __slots__ = ("_caller", "_door", "_expiry", "rests")

    def __init__(
        self,
        door: HttpDoor,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        *,
        idle: float,
        caller: str | None,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None is how it is said; only its annotation does not know
            keepalive_timeout=idle,
            lingering_time=LINGER if caller is None else 0.0,
            auto_decompress=False,
        )
        self._door = door
        self._caller = caller
        """The address that it is counted for; None where an API key vouches for it."""
        self._expiry: asyncio.TimerHandle | None = None
        self.rests = False
        """The last request was answered, and another may come."""

    def expire_in(self, seconds: float) -> None:
        """Drop the connection then, unless another request comes first."""
        if self._expiry is not None:
            self._expiry.cancel()
        if self.transport is not None:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(seconds, self.transport.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take the end of the socket."""
        super().connection_lost(exc)
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
            self._door.lost(self._caller)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what is no request (RFC 9112, section 2.2)."""
        log.info("request refused: %s", type(exc).__name__, extra={"event": "http.malformed"})
        reason = "this is not a valid HTTP request"
        return self._door.finish(Refusal(HTTPStatus(status), ErrorCode.BAD_REQUEST, reason).response())


def _allow(request: web.BaseRequest, *methods: str) -> None:
    if request.method not in methods:
        allowed = ", ".join(methods)
        reason = f"only {allowed} is possible here"
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, ErrorCode.BAD_REQUEST, reason, {"Allow": allowed})


def _ends_plainly(request: web.BaseRequest) -> bool:
    return "Content-Length" in request.headers and not {"Transfer-Encoding", "Upgrade"} & request.headers.keys()


def _facts(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": Answer.CONTENT_TYPE})
