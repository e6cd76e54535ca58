"""The port: heads are read in time and in bounds, then the connection is handed on."""

import asyncio
import socket
import time

import pytest

from gateway.settings import Limits
from gateway.transports.listener import MAX_HEAD, NOTSENT_LOWAT, bind
from shared.clock import monotonic
from shared.errors import ConfigurationError
from tests.integration.gateway.port import Client, Response, ask, open_port
from tests.support.eventually import eventually
from tests.support.ports import free_port

EVERY_LOOP = True

UPGRADE = b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_one_port_serves_websocket_and_http() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        client.send(UPGRADE)
        assert await client.read() == b"echo:" + UPGRADE
        assert (await ask(port, HEALTH)).status == 200
        client.send(b"still here")
        assert await client.read() == b"echo:still here"
        client.close()


async def test_a_head_that_comes_byte_by_byte_is_one_head() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        for place in range(len(UPGRADE)):
            client.send(UPGRADE[place : place + 1])
            await asyncio.sleep(0)
        assert await client.read() == b"echo:" + UPGRADE
        client.close()


async def test_what_comes_behind_the_head_is_handed_on_with_it() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        client.send(UPGRADE + b"early")
        await eventually(lambda: port.heads == [UPGRADE + b"early"])
        client.close()


@pytest.mark.parametrize("line", [b"UPGRADE: WebSocket", b"upgrade:websocket", b"Upgrade: h2c, websocket"])
async def test_an_upgrade_is_seen_however_it_is_spelled(line: bytes) -> None:
    async with open_port() as port:
        client = await Client.to(port)
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n")
        await eventually(lambda: port.heads)
        client.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /?upgrade:websocket HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: upgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websockets\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 22\r\n\r\n\r\nUpgrade: websocket\r\n",
    ],
)
async def test_words_about_an_upgrade_elsewhere_are_none(request_: bytes) -> None:
    async with open_port() as port:
        assert (await ask(port, request_)).status == 404
        assert port.heads == []


async def test_a_client_that_says_nothing_is_closed_in_silence_and_counted() -> None:
    async with open_port(gateway=Limits(handshake_timeout=0.05)) as port:
        client = await Client.to(port)
        assert await client.read_all() == b""
        assert (port.counters.heads_timed_out, port.counters.heads_waiting) == (1, 0)
        client.close()


async def test_a_handshake_that_never_ends_is_closed_with_408_however_busy_it_looks() -> None:
    async with open_port(gateway=Limits(handshake_timeout=0.1)) as port:
        client = await Client.to(port)
        client.send(UPGRADE[:-4])

        async def dribble() -> None:
            while True:
                client.send(b"\r\nX: y")
                await asyncio.sleep(0.01)

        dribbling = asyncio.create_task(dribble())
        data = await client.read_all()
        dribbling.cancel()
        assert Response(data).status == 408
        assert Response(data).json["code"] == "timeout"
        assert port.counters.heads_timed_out == 1
        client.close()


async def test_each_has_its_own_time() -> None:
    async with open_port(gateway=Limits(handshake_timeout=0.3)) as port:
        start = monotonic()
        first = await Client.to(port)
        await eventually(lambda: monotonic() > start + 0.15)
        second = await Client.to(port)
        assert await first.read_all() == b""
        assert (port.counters.heads_timed_out, port.counters.heads_waiting) == (1, 1)
        assert await second.read_all() == b""
        assert (port.counters.heads_timed_out, port.counters.heads_waiting) == (2, 0)


async def test_a_stall_of_the_loop_costs_nobody_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.transports.listener.STALL", 0.05)
    async with open_port(gateway=Limits(handshake_timeout=0.1)) as port:
        with socket.create_connection(port.address) as client:
            await eventually(lambda: port.counters.heads_waiting == 1)
            take = port.listener._websocket

            def stall(transport: asyncio.Transport, head: bytes) -> None:
                port.listener._websocket = take
                client.sendall(UPGRADE)
                time.sleep(0.2)
                transport.abort()

            port.listener._websocket = stall
            (await Client.to(port)).send(UPGRADE)
            await eventually(lambda: port.heads == [UPGRADE])
        assert port.counters.heads_timed_out == 0


async def test_a_crowd_that_says_nothing_makes_room_for_who_does() -> None:
    async with open_port(gateway=Limits(max_handshakes=20)) as port:
        crowd = [await Client.to(port) for _ in range(30)]
        await eventually(lambda: port.counters.heads_evicted == 10)
        assert (await ask(port, HEALTH)).status == 200
        assert port.counters.heads_waiting <= 20
        assert [await client.read_all() for client in crowd[:10]] == [b""] * 10
        for client in crowd:
            client.close()
        await eventually(lambda: port.counters.heads_waiting == 0)


async def test_the_largest_head_is_read_and_a_larger_one_is_refused() -> None:
    start, end = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nX: ", b"\r\n\r\n"
    async with open_port() as port:
        client = await Client.to(port)
        client.send(start + b"y" * (MAX_HEAD - len(start + end)) + end)
        await eventually(lambda: port.heads)
        client.close()
        response = await ask(port, start + b"y" * (MAX_HEAD - len(start + end) + 1) + end)
        assert (response.status, response.json["code"]) == (431, "bad_request")
        assert len(port.heads) == 1


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\x00", b"\r\n\r\n", b"get / HTTP/1.1\r\n\r\n", b"\x00" * 99]
)
async def test_what_is_no_http_is_refused_at_once(garbage: bytes) -> None:
    async with open_port() as port:
        assert (await ask(port, garbage)).status == 400
        assert port.counters.heads_refused == 1


async def test_a_client_that_leaves_early_leaves_no_trace() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        client.send(UPGRADE[:20])
        await eventually(lambda: port.counters.heads_waiting == 1)
        client.close()
        await eventually(lambda: port.counters.heads_waiting == 0)
        assert port.counters.heads_timed_out == 0


async def test_sockets_do_not_wait_to_send_and_the_kernel_takes_little_for_who_does_not_read() -> None:
    async with open_port() as port:
        taken = asyncio.get_running_loop().create_future()
        port.listener._websocket = lambda transport, head: taken.set_result(transport)
        client = await Client.to(port)
        client.send(UPGRADE)
        transport = await taken
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == NOTSENT_LOWAT
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        transport.write(bytes(16 * 2**20))
        assert transport.get_write_buffer_size() > 15 * 2**20
        transport.abort()
        client.close()


async def test_after_stop_accepting_nobody_comes_in_and_nobody_is_thrown_out() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        client.send(UPGRADE)
        await client.read()
        await port.listener.stop_accepting()
        with pytest.raises(ConnectionError):
            await Client.to(port)
        client.send(b"x")
        assert await client.read() == b"echo:x"
        client.close()


async def test_close_drops_connections_that_have_not_said_what_they_want() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        await eventually(lambda: port.counters.heads_waiting == 1)
        await port.listener.close()
        assert await client.read_all() == b""
        client.close()


async def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    async with open_port() as port:
        with pytest.raises(ConfigurationError, match="PENSTOCK_PORT"):
            async with open_port(port=port.address[1]):
                pass


async def test_a_host_that_is_not_ours_is_told_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"Cannot listen on 192\.0\.2\.1:0.*PENSTOCK_HOST"):
        await bind("192.0.2.1", 0, reuse_port=False)


async def test_all_addresses_of_a_host_get_the_same_port() -> None:
    sockets = await bind("localhost", 0, reuse_port=False)
    assert len({sock.getsockname()[1] for sock in sockets}) == 1
    for sock in sockets:
        sock.close()


async def test_two_gateways_may_share_a_port_when_told_to() -> None:
    number = free_port()
    async with open_port(port=number, reuse_port=True), open_port(port=number, reuse_port=True) as port:
        assert (await ask(port, HEALTH)).status == 200
