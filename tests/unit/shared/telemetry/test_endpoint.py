"""The HTTP server of processes that have none of their own."""

import aiohttp
import pytest

from shared.errors import ConfigurationError
from shared.health import readyz_behind
from shared.telemetry.endpoint import Endpoint
from shared.telemetry.metrics import Metrics
from shared.telemetry.process import PROCESS, ProcessCounters


@pytest.fixture
async def endpoint():
    metrics = Metrics()
    counters = ProcessCounters()
    metrics.observe("process", counters, PROCESS, before=counters.refresh)
    it = Endpoint("127.0.0.1", 0, metrics, lambda: readyz_behind(bus="away"))
    await it.start()
    yield it
    await it.stop()
    metrics.close()


async def get(endpoint, path):
    host, port = endpoint.address
    async with aiohttp.ClientSession() as http, http.get(f"http://{host}:{port}{path}") as answer:
        return answer.status, answer.content_type, await answer.text()


async def test_metrics_are_prometheus_text(endpoint):
    status, content_type, body = await get(endpoint, "/metrics")
    assert (status, content_type) == (200, "text/plain")
    assert "process_open_fds" in body


async def test_a_process_without_its_broker_is_alive_and_not_ready(endpoint):
    assert (await get(endpoint, "/healthz"))[0] == 200
    assert (await get(endpoint, "/readyz"))[0] == 503


async def test_a_taken_port_is_told_in_one_sentence(endpoint):
    host, port = endpoint.address
    second = Endpoint(host, port, Metrics(), lambda: readyz_behind(bus="ready"))
    with pytest.raises(ConfigurationError, match=f"Cannot serve /metrics on {host}:{port}: .* PENSTOCK_METRICS_PORT"):
        await second.start()
    await second.stop()
