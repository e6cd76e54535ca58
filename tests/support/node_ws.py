"""The npm package `ws`, led from here: a process of Node for each WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

MODULES = "PENSTOCK_TEST_WS"
"""The environment variable that names the folder ``node_modules`` with `ws` in it; without, it is not tried."""

SCRIPT = Path(__file__).with_suffix(".cjs")
LINE = 2**20
"""Bytes of the longest answer."""


class NodeWs:
    """One WebSocket of `ws`, which offers compression by itself here."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.compresses = True
        self.close_code: int | None = None

    @classmethod
    async def open(cls, url: str, subprotocol: str) -> NodeWs:
        modules = {"NODE_PATH": os.environ[MODULES]}
        process = await asyncio.create_subprocess_exec(
            "node", str(SCRIPT), stdin=PIPE, stdout=PIPE, env=os.environ | modules, limit=LINE
        )
        opened = cls(process)
        opened.compresses = (await opened._do("open", url=url, subprotocol=subprotocol))["compresses"]
        return opened

    async def send(self, message: str | bytes) -> None:
        await self.send_in_pieces([message])

    async def send_in_pieces(self, pieces: list[Any]) -> None:
        binary = isinstance(pieces[0], bytes)
        packed = [base64.b64encode(piece if binary else piece.encode()).decode() for piece in pieces]
        await self._do("send", pieces=packed, binary=binary)

    async def receive(self) -> str | bytes:
        answer = await self._do("receive")
        if "data" not in answer:
            self.close_code = answer["ended"]
            raise EOFError
        data = base64.b64decode(answer["data"])
        return data if answer["binary"] else data.decode()

    async def ping(self) -> None:
        await self._do("ping")

    async def close(self, code: int) -> None:
        self.close_code = (await self._do("close", code=code))["code"]

    async def leave(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    async def _do(self, order: str, **more: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"order": order} | more).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer
