"""The tap beneath aiormq, on a transport that is only written down."""

import asyncio
import time

import pytest
from pamqp import commands
from pamqp.commands import Basic

from shared.bus.amqp_tap import Tap
from shared.bus.wire import HEARTBEAT_FRAME
from shared.bus.wire_reader import Confirmed
from tests.support.eventually import eventually
from tests.unit.shared.bus.frames import deliver, method

HEARTBEAT = 0.04  # seconds


class FakeTransport(asyncio.Transport):
    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol
        self.writes = []
        self.aborted = False

    def write(self, data):
        self.writes.append(data)

    def abort(self):
        self.aborted = True
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def is_closing(self):
        return self.aborted


class Heard:
    def __init__(self):
        self.events = []
        self.causes = []
        self.tap = Tap(self.events.append, self.causes.append)
        self.transport = FakeTransport(self.tap)
        self.tap.connection_made(self.transport)


@pytest.fixture
async def heard():
    heard = Heard()
    yield heard
    if not heard.transport.aborted:
        heard.transport.abort()
    await eventually(lambda: heard.tap.transport is None)


async def test_ours_is_taken_out_and_the_rest_reaches_aiormq(heard):
    rest = method(commands.Queue.DeclareOk("q", 0, 0))
    heard.tap.data_received(deliver() + rest + method(Basic.Ack(1, False)))
    assert [type(event).__name__ for event in heard.events] == ["Delivered", "Confirmed"]
    assert await heard.tap.stream.readexactly(len(rest)) == rest


async def test_what_is_written_in_one_turn_goes_out_together_in_order(heard):
    heard.tap.write(b"1")
    heard.tap.write(b"2")
    assert heard.transport.writes == []
    await eventually(lambda: heard.transport.writes)
    heard.tap.write(b"3")
    heard.tap.flush()
    assert heard.transport.writes == [b"12", b"3"]


async def test_what_cannot_be_read_cuts_the_connection(heard):
    heard.tap.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert heard.transport.aborted
    assert "cannot be read" in heard.causes[0]


async def test_writing_to_a_connection_that_is_gone_does_nothing(heard):
    heard.transport.abort()
    await eventually(lambda: heard.tap.transport is None)
    heard.tap.write(b"1")
    heard.tap.flush()
    assert heard.transport.writes == []


async def test_a_silent_broker_is_cut_off_within_two_heartbeats(heard):
    began = time.monotonic()
    heard.tap.watch_silence(HEARTBEAT)
    await eventually(lambda: heard.transport.aborted)
    assert time.monotonic() - began >= 1.5 * HEARTBEAT
    assert "silent" in heard.causes[0]


async def test_while_anything_comes_aiormq_hears_heartbeats(heard):
    heard.tap.watch_silence(HEARTBEAT)
    for _ in range(30):
        heard.tap.data_received(method(Basic.Ack(1, False)))
        await asyncio.sleep(HEARTBEAT / 8)
    assert not heard.transport.aborted
    assert heard.events == [Confirmed(1, 1, False, True)] * 30
    first = await heard.tap.stream.readexactly(len(HEARTBEAT_FRAME))
    assert first == HEARTBEAT_FRAME


async def test_when_the_broker_has_said_its_last_aiormq_hears_no_heartbeats_and_the_connection_ends(heard, caplog):
    heard.tap.watch_silence(HEARTBEAT)
    await asyncio.sleep(HEARTBEAT / 8)
    heard.tap.data_received(HEARTBEAT_FRAME)  # so that the next look finds that something came
    assert not heard.tap.eof_received()
    await asyncio.sleep(HEARTBEAT)
    assert await heard.tap.stream.read() in (HEARTBEAT_FRAME, 2 * HEARTBEAT_FRAME)
    assert caplog.text == ""


async def test_after_a_stall_of_our_own_what_came_meanwhile_is_read_first(heard):
    heard.tap.watch_silence(HEARTBEAT)
    time.sleep(HEARTBEAT * 2)  # noqa: ASYNC251 - the stall
    loop = asyncio.get_running_loop()
    loop.call_later(HEARTBEAT / 4, heard.tap.data_received, HEARTBEAT_FRAME)  # it waited in the socket
    await asyncio.sleep(HEARTBEAT)
    assert not heard.transport.aborted
