"""A job that is run again and again."""

import asyncio

from tests.support.eventually import eventually
from workers.counters import Counters
from workers.runner import Runner


async def test_a_job_that_fails_is_counted_told_and_called_again(caplog):
    counters, calls = Counters(), []

    async def job():
        calls.append(1)
        raise RuntimeError("bug")

    runner = Runner("housekeeping", job, 0.001, counters)
    runner.start()
    await eventually(lambda: len(calls) > 2)
    assert runner.running
    await runner.stop()
    assert counters.job_errors >= 2
    assert caplog.records[0].event == "job.failed"
    assert not runner.running


async def test_a_slow_job_is_never_started_twice():
    at_work, most, rounds = 0, 0, 0

    async def job():
        nonlocal at_work, most, rounds
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.01)
        at_work -= 1
        rounds += 1

    runner = Runner("slow", job, 0.0, Counters())
    runner.start()
    await eventually(lambda: rounds > 2)
    await runner.stop()
    assert most == 1


async def test_a_call_under_way_is_cancelled_by_stop():
    began, ended = asyncio.Event(), asyncio.Event()

    async def job():
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    runner = Runner("stuck", job, 1.0, Counters())
    runner.start()
    await began.wait()
    await runner.stop()
    assert ended.is_set()
