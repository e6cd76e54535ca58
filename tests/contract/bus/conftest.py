"""Every test of this folder runs on both buses."""

from collections.abc import AsyncIterator

import pytest

from shared.bus.port import Bus
from tests.contract.bus.harness import Harness, MemoryHarness, RabbitHarness


@pytest.fixture(params=["memory", "rabbitmq"])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """A broker to connect to, and to ill-treat."""
    harness: Harness
    if request.param == "memory":
        harness = MemoryHarness()
    else:
        harness = RabbitHarness(request.getfixturevalue("vhost"), request.getfixturevalue("broker"))
    yield harness
    await harness.stop()


@pytest.fixture
async def bus(harness: Harness) -> Bus:
    """One bus, open."""
    return await harness.bus()
