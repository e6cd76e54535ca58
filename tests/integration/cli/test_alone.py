"""Real processes: logs in memory have a virtual host of RabbitMQ to themselves."""

from __future__ import annotations

import signal
from urllib.parse import urlsplit, urlunsplit

import pytest

from penstock.cli.exits import Exit
from tests.support.eventually import eventually, wait_until
from tests.support.fault_proxy import FaultProxy
from tests.support.penstock import SECRET
from tests.support.ports import free_port

RUNS = "Ctrl-C stops it."
BRIEF = "?heartbeat=1"
"""With this at the end of its URL, a process waits four seconds for another one to go."""


class Starts:
    """Starts processes on one virtual host."""

    def __init__(self, penstock, amqp_url, store_url):
        self.penstock = penstock
        self.amqp_url = amqp_url
        self.store = ("--store-url", store_url)
        self.ports = []

    def up(self, *options, query=""):
        self.ports.append(free_port())
        url = self.amqp_url + query
        return self.penstock.start("up", "--port", str(self.ports[-1]), "--amqp-url", url, *options)

    def router(self, query=""):
        url = self.amqp_url + query
        return self.penstock.start("router", "--amqp-url", url, *self.store, PENSTOCK_AUTH__SECRET=SECRET)


@pytest.fixture
def starts(penstock, vhost, store_url):
    return Starts(penstock, vhost.amqp_url, store_url)


def is_refused(process, words):
    process.says("waits for it to go, at most 4 s", on="err")
    process.says(words, on="err")
    assert process.ends() == Exit.CONFIGURATION
    assert "Traceback" not in process.err


def test_a_second_one_is_refused_a_memory_of_its_own(starts):
    starts.up().says(RUNS)
    is_refused(starts.up(query=BRIEF), "Another router works on this broker, and this one would keep")


async def test_of_two_that_start_together_one_runs(starts):
    broker = urlsplit(starts.amqp_url)
    async with FaultProxy((broker.hostname, broker.port), seed=1) as proxy:
        proxy.down.latency = 0.02  # so much for each order that neither has begun to work before the other looks
        user = broker.netloc.rpartition("@")[0]
        starts.amqp_url = urlunsplit(broker._replace(netloc=f"{user}@127.0.0.1:{proxy.port}"))
        both = [starts.up(query=BRIEF), starts.up(query=BRIEF)]
        await eventually(lambda: any(process.code is not None for process in both), 60)
        [ended] = [process for process in both if process.code is not None]
        [runs] = [process for process in both if process is not ended]
        assert ended.code == Exit.CONFIGURATION
        assert "Another router works on this broker" in ended.err
        await eventually(lambda: RUNS in runs.out, 60)


def test_beside_logs_in_memory_nothing_with_a_store_starts(starts):
    starts.up().says(RUNS)
    for process in (starts.router(BRIEF), starts.up(*starts.store, query=BRIEF)):
        is_refused(process, "keeps topics' logs in its own memory")
        assert "router started" not in process.err


def test_a_router_with_a_store_starts_when_logs_in_memory_have_gone(starts):
    first = starts.up()
    first.says(RUNS)
    router = starts.router()
    router.says("waits for it to go, at most 31 s", on="err")
    assert "router started" not in router.err
    first.tell()
    router.says("router started", on="err")


def test_one_that_hangs_is_replaced_when_the_broker_notices_and_says_so_when_it_goes_on(starts):
    first = starts.up(query=BRIEF)
    first.says(RUNS)
    first.tell(signal.SIGSTOP)
    second = starts.up()
    second.says(RUNS)
    first.tell(signal.SIGCONT)
    first.says("has taken its place on the broker (queue penstock.memory)", on="err")
    second.tell()
    assert second.ends() == Exit.OK
    wait_until(lambda: first.err.count("bus router is ready") == 2, 30)
