"""A program's life: start, wait, stop."""

import asyncio
import os
import signal

import pytest

from shared.lifecycle import DeadlineExceeded, run, stop_on_signals


class Recorder:
    def __init__(self, name, story, *, fails=False, hangs=False, hangs_in_start=False):
        self.name, self.story = name, story
        self.fails, self.hangs, self.hangs_in_start = fails, hangs, hangs_in_start

    async def start(self):
        self.story.append(f"{self.name} starts")
        if self.fails:
            raise OSError("no")
        if self.hangs_in_start:
            await asyncio.Event().wait()

    async def stop(self):
        self.story.append(f"{self.name} stops")
        if self.hangs:
            await asyncio.Event().wait()


async def test_services_start_in_order_and_stop_in_reverse():
    story, stop = [], asyncio.Event()
    services = [Recorder("router", story), Recorder("gateway", story)]
    await run(services, stop, started=stop.set)
    assert story == ["router starts", "gateway starts", "gateway stops", "router stops"]


async def test_a_service_that_cannot_start_takes_the_others_down_again():
    story = []
    services = [Recorder("router", story), Recorder("gateway", story, fails=True)]
    with pytest.raises(OSError, match="no"):
        await run(services, asyncio.Event())
    assert story == ["router starts", "gateway starts", "gateway stops", "router stops"]


async def test_a_stop_during_a_start_that_hangs_ends_it():
    story, stop = [], asyncio.Event()
    running = asyncio.create_task(run([Recorder("router", story, hangs_in_start=True)], stop))
    await asyncio.sleep(0)
    stop.set()
    await running
    assert story == ["router starts", "router stops"]


async def test_services_that_do_not_stop_in_time_are_left_and_named():
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(DeadlineExceeded, match=r"recorder did not stop within 0\.01 s"):
        await run([Recorder("router", [], hangs=True)], stop, started=stop.set, deadline=0.01)


async def test_a_service_that_fails_to_stop_does_not_keep_the_next_from_stopping():
    class Broken(Recorder):
        async def stop(self):
            await super().stop()
            raise RuntimeError("bug")

    story, stop = [], asyncio.Event()
    await run([Recorder("router", story), Broken("gateway", story)], stop, started=stop.set)
    assert story[-1] == "router stops"


async def test_the_first_signal_stops_and_the_second_leaves_at_once():
    stop, left = asyncio.Event(), asyncio.Event()
    restore = stop_on_signals(stop, at_once=left.set)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 5)
        assert not left.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(left.wait(), 5)
    finally:
        restore()
