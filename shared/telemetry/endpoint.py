"""A small HTTP server for processes without one: ``/metrics``, ``/healthz`` and ``/readyz``."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web

from shared.clock import monotonic
from shared.errors import ConfigurationError
from shared.health import Answer, healthz
from shared.telemetry.metrics import CONTENT_TYPE, Metrics

log = logging.getLogger(__name__)


class Endpoint:
    """Answers operators; clients never come here."""

    def __init__(self, host: str, port: int, metrics: Metrics, ready: Callable[[], Answer]) -> None:
        self._host = host
        self._port = port
        self._metrics = metrics
        self._ready = ready
        self._born = monotonic()
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Return where it listens, once started."""
        assert self._runner is not None, "the endpoint was not started"
        host, port = self._runner.addresses[0][:2]
        return host, port

    async def start(self) -> None:
        """Listen; raise `ConfigurationError` where the port is taken."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._on_metrics),
                web.get("/healthz", self._on_healthz),
                web.get("/readyz", self._on_readyz),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            raise ConfigurationError(
                f"Cannot serve /metrics on {self._host}:{self._port}: {error.strerror}. "
                "Choose another port with PENSTOCK_METRICS_PORT."
            ) from error
        host, port = self.address
        log.info(
            "/metrics, /healthz and /readyz are on %s:%d", host, port,
            extra={"event": "metrics.started", "host": host, "port": port},
        )  # fmt: skip

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _on_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.prometheus(), headers={"Content-Type": CONTENT_TYPE})

    async def _on_healthz(self, _: web.Request) -> web.Response:
        return _response(healthz(uptime=monotonic() - self._born))

    async def _on_readyz(self, _: web.Request) -> web.Response:
        return _response(self._ready())


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type=Answer.CONTENT_TYPE)
