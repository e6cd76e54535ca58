"""A worker on the memory bus."""

import asyncio
import logging

import pytest

from shared.bus import topology
from shared.bus.memory import MemoryBroker, MemoryBus
from shared.bus.port import Message, Source
from tests.support.eventually import eventually
from workers.app import Worker
from workers.settings import HousekeepingSettings, WorkerSettings

ROUTE_0 = topology.route_queue(0)


@pytest.fixture
def broker():
    return MemoryBroker()


@pytest.fixture
async def bus(broker):
    bus = MemoryBus(broker)
    await bus.open()
    await bus.declare(topology.common())
    yield bus
    await bus.close()


@pytest.fixture
async def worker(broker):
    settings = WorkerSettings(housekeeping=HousekeepingSettings(interval=0.1))
    bus = MemoryBus(broker)
    await bus.open()
    worker = Worker(settings, bus)
    await worker.start()
    yield worker
    await worker.stop()
    await bus.close()


async def test_a_worker_declares_the_topology_so_that_it_may_start_first(worker):
    await eventually(lambda: worker.counters.queue_messages.get(topology.DEAD) == 0)
    assert worker.healthy


async def test_depths_are_kept_as_gauges(worker, bus):
    await bus.publish(topology.FRAMES, "0", Message(b"x"))
    await eventually(lambda: worker.counters.queue_messages.get(ROUTE_0) == 1)
    await bus.consume([Source(ROUTE_0)], lambda received: None, prefetch=1)
    await eventually(lambda: worker.counters.queue_consumers.get(ROUTE_0) == 1)


async def test_dead_letters_and_lonely_partitions_are_warned_about_once(worker, bus, caplog):
    await eventually(lambda: worker.counters.looks)
    await bus.publish(topology.DEAD, "", Message(b"x"))
    await eventually(lambda: worker.counters.looks >= 4)
    warned = [record.event for record in caplog.records if record.levelno == logging.WARNING]
    assert sorted(warned) == ["dead_letters.grew", "queues.no_consumer"]
    assert worker.counters.queues_in_trouble["no_consumer"] == len(topology.common().queues) - 1


async def test_a_broker_that_is_away_is_counted_and_its_return_is_noticed(worker, broker):
    broker.stop()
    await eventually(lambda: worker.counters.looks_failed)
    assert not worker.healthy
    broker.start()
    looks = worker.counters.looks
    await eventually(lambda: worker.counters.looks > looks)
    assert worker.healthy


async def test_a_worker_that_was_stopped_looks_no_more(bus):
    worker = Worker(WorkerSettings(), bus)
    await worker.start()
    await worker.stop()
    looks = worker.counters.looks
    await asyncio.sleep(0)
    assert worker.counters.looks == looks
    assert not worker.healthy
