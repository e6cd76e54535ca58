"""The line loses packets and lets them overtake, and TCP makes of it what it always does."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.faults.test_fault_proxy import DATA, echo
from tests.support.bad_line import TUN, BadLine
from tests.support.errors import Missing

POSSIBLE = os.geteuid() == 0 and os.path.exists(TUN)


async def test_what_goes_over_a_bad_line_comes_whole_though_packets_are_lost_and_overtake_each_other() -> None:
    if not POSSIBLE:
        with pytest.raises(Missing, match="needs root"):
            await BadLine().__aenter__()
        return
    async with echo() as port, BadLine(seed=3) as line:
        line.loss, line.latency, line.jitter = 0.05, 0.005, 0.01
        reader, writer = await asyncio.open_connection(line.far, port)
        for _ in range(20):
            writer.write(DATA)
            async with asyncio.timeout(30):
                assert await reader.readexactly(len(DATA)) == DATA
        assert line.overtook > 0
        assert 0 < line.lost < line.carried / 4
        line.clear()
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
