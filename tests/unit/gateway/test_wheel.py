import asyncio
import socket
import time
from collections.abc import Callable

import pytest
import uvloop

from gateway.wheel import Wheel
from shared.clock import monotonic
from tests.support.eventually import eventually

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def test_a_key_is_told_within_one_interval_of_its_time() -> None:
    wheel, told = Wheel(interval=0.01), list[tuple[list[int], float]]()
    wheel.schedule(7, monotonic() + 0.02)
    wheel.start(lambda keys, stalled: told.append((keys, stalled)))
    await eventually(lambda: told)
    assert told == [([7], 0.0)]
    wheel.stop()


def stall() -> None:
    time.sleep(0.09)


async def read_through_a_stall() -> list[object]:
    """Let the loop stall while a key falls due and bytes arrive; return what was noticed, in order."""
    wheel, log = Wheel(interval=0.01, stall=0.05), list[object]()
    near, far = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=near)
    wheel.schedule(7, monotonic() + 0.02)
    wheel.start(lambda keys, stalled: log.append((keys, stalled > 0.05)))
    reading = asyncio.create_task(reader.read(10))
    reading.add_done_callback(lambda done: log.append(done.result()))
    await asyncio.sleep(0)
    far.send(b"here I am")
    stall()
    await eventually(lambda: len(log) == 2)
    wheel.stop()
    writer.close()
    far.close()
    return log


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_after_a_stall_of_the_loop_sockets_are_read_before_any_key_is_told(new_loop: LoopFactory) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(read_through_a_stall()) == [b"here I am", ([7], True)]


async def test_a_stall_is_told_even_when_no_key_is_due() -> None:
    wheel, told = Wheel(interval=0.01, stall=0.05), list[float]()
    wheel.start(lambda keys, stalled: told.append(stalled))
    stall()
    await eventually(lambda: told)
    assert told[0] > 0.05
    wheel.stop()


async def test_the_wheel_turns_on_when_a_callback_fails() -> None:
    wheel, told = Wheel(interval=0.01), list[int]()
    errors = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))

    def fail_once(keys: list[int], stalled: float) -> None:
        told.extend(keys)
        if keys == [1]:
            raise RuntimeError("a defect")

    wheel.schedule(1, monotonic())
    wheel.schedule(2, monotonic() + 0.05)
    wheel.start(fail_once)
    await eventually(lambda: told == [1, 2])
    assert len(errors) == 1
    wheel.stop()


async def test_a_stopped_wheel_tells_nothing() -> None:
    wheel = Wheel(interval=0.01)
    wheel.schedule(1, monotonic())
    wheel.start(lambda keys, stalled: pytest.fail("it turned"))
    wheel.stop()
    await asyncio.sleep(0.03)
    assert len(wheel) == 1
