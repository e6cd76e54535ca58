"""A gateway that has run out of file descriptors, in a process of its own."""

import asyncio
import os
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.support.eventually import eventually

ROOT = Path(__file__).parents[3]
CLIENTS = 80
WINDOW = 1.0

SERVER = """
import asyncio, resource, sys
import uvloop
from tests.integration.gateway.port import open_port

async def main():
    async with open_port() as port:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        print(port.address[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
with asyncio.Runner(loop_factory=loops[sys.argv[1]]) as runner:
    runner.run(main())
"""
UPGRADE = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    async with asyncio.timeout(10):
        return await reader.readexactly(len(b"echo:" + data))


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_without_descriptors_nobody_spins_old_clients_are_served_and_new_ones_are_again_later(loop: str) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVER,
        loop,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        address = ("127.0.0.1", int(await server.stdout.readline()))
        reader, writer = await asyncio.open_connection(*address)
        assert await echo(reader, writer, UPGRADE) == b"echo:" + UPGRADE

        crowd = [await asyncio.open_connection(*address) for _ in range(CLIENTS)]
        before, start = cpu_seconds(server.pid), time.monotonic()
        while time.monotonic() < start + WINDOW:  # to see that nothing happens needs its time
            assert await echo(reader, writer, b"x") == b"echo:x"
            await asyncio.sleep(0.05)
        assert cpu_seconds(server.pid) - before < 0.5 * WINDOW

        for _, end in crowd:
            end.close()

        async def is_served() -> bool:
            new_reader, new_writer = await asyncio.open_connection(*address)
            with closing(new_writer), suppress(ConnectionError, asyncio.IncompleteReadError):
                return await echo(new_reader, new_writer, UPGRADE) == b"echo:" + UPGRADE
            return False

        await eventually(is_served)
        writer.close()
    finally:
        server.stdin.close()
        async with asyncio.timeout(10):
            await server.wait()
