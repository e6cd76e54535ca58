"""When to give up on a router's answer."""

import asyncio
from collections.abc import Callable

import pytest

from gateway import deadlines as room
from gateway.deadlines import RequestDeadlines
from tests.support.eventually import eventually


class Clock:
    """The time as the room sees it, and its timer, run by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        monkeypatch.setattr(room, "monotonic", lambda: self.now)
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", self.call_later)

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        self.timers.append((self.now + delay, callback))
        return asyncio.TimerHandle(0, callback, (), asyncio.get_running_loop())

    def run_until(self, now: float) -> None:
        while self.timers and min(self.timers)[0] <= now:
            timer = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(timer)
            self.now = timer[0]
            timer[1]()
        self.now = now


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_every_request_is_told_when_its_time_is_over_and_not_before(clock: Clock) -> None:
    expired: list[tuple[int, int]] = []
    deadlines = RequestDeadlines(4.0, lambda session, request: expired.append((session, request)))
    deadlines.add(1, 10)
    clock.run_until(101.0)
    deadlines.add(2, 20)
    deadlines.add(2, 21)
    clock.run_until(103.9)
    assert expired == []
    clock.run_until(104.5)
    assert expired == [(1, 10)]
    clock.run_until(105.0)
    assert expired == [(1, 10), (2, 20), (2, 21)]
    assert clock.timers == [], "with nothing to wait for no timer runs"


async def test_there_is_one_timer_however_many_requests_there_are(clock: Clock) -> None:
    deadlines = RequestDeadlines(4.0, lambda session, request: None)
    for request in range(100):
        deadlines.add(1, request)
    assert len(clock.timers) == 1


async def test_the_time_runs_again_after_a_pause(clock: Clock) -> None:
    expired: list[int] = []
    deadlines = RequestDeadlines(4.0, lambda session, request: expired.append(request))
    deadlines.add(1, 1)
    clock.run_until(200.0)
    deadlines.add(1, 2)
    clock.run_until(204.0)
    assert expired == [1, 2]


async def test_a_request_that_is_made_when_another_is_given_up_has_its_own_time(clock: Clock) -> None:
    expired: list[int] = []

    def expire(session: int, request: int) -> None:
        expired.append(request)
        if request == 1:
            deadlines.add(session, 2)

    deadlines = RequestDeadlines(4.0, expire)
    deadlines.add(1, 1)
    clock.run_until(104.0)
    assert expired == [1]
    assert len(clock.timers) == 1
    clock.run_until(108.0)
    assert expired == [1, 2]


async def test_on_a_real_loop_it_comes_by_itself_and_not_after_closing() -> None:
    expired: list[int] = []
    deadlines = RequestDeadlines(0.01, lambda session, request: expired.append(request))
    deadlines.add(1, 1)
    await eventually(lambda: expired == [1])
    deadlines.add(1, 2)
    deadlines.close()
    later = RequestDeadlines(0.02, lambda session, request: expired.append(request))
    later.add(1, 3)
    await eventually(lambda: 3 in expired)
    assert expired == [1, 3]
