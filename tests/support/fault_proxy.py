"""A TCP proxy that makes trouble: slow, choppy, deaf, cut in the middle of a byte sequence. All chance is seeded.

::

    async with FaultProxy(("127.0.0.1", 5672), seed=7) as proxy:
        proxy.down.latency, proxy.down.jitter = 0.05, 0.05
        proxy.up.piece = 1                # towards the server, a byte at a time
        proxy.cut_after = (1, 5_000)      # each new connection is reset after so many bytes of both ways
        proxy.hold(up=True)               # nothing gets to the server any more; what was sent waits
        proxy.reset()                     # RST to both sides of all connections

Up is from the client to the server, down the other way. What is changed counts for open connections too. Of several
servers each connection gets one, by chance.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

READ = 2**16
HEAD = 4_096
"""The first bytes of a client that are kept, to tell connections apart by."""

CONNECT_WITHIN = 5.0


@dataclass
class Weather:
    """How one direction is. All off by default."""

    latency: float = 0.0
    jitter: float = 0.0
    """Seconds that a piece takes: the first, and up to the second more. Pieces never overtake each other."""
    bandwidth: float | None = None
    """Bytes a second."""
    piece: int | None = None
    """Bytes that are sent at once, at most; each is a segment of its own."""
    ragged: int | None = None
    """The same, by chance between 1 and so many."""

    def pieces(self, data: bytes, chance: random.Random) -> Iterator[bytes]:
        """Return `data` in the pieces in which it is sent; all that is left at once, when it has become fine."""
        start = 0
        while start < len(data):
            if self.piece is not None:
                size = self.piece
            elif self.ragged is not None:
                size = chance.randint(1, self.ragged)
            else:
                size = len(data)
            yield data[start : start + size]
            start += size

    def delay(self, size: int, chance: random.Random) -> float:
        """Return how many seconds a piece of `size` bytes takes."""
        travel = self.latency + (chance.uniform(0, self.jitter) if self.jitter else 0.0)
        return travel + (size / self.bandwidth if self.bandwidth else 0.0)

    def clear(self) -> None:
        """Make it fine."""
        self.__dict__.update(Weather().__dict__)


class Link:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter, budget: int | None) -> None:
        self.head = b""
        """What the client said first."""
        self.passed = 0
        """Bytes, of both ways."""
        self.up_open, self.down_open = asyncio.Event(), asyncio.Event()
        self._writers = (client, server)
        self._budget = budget

    def allow(self, data: bytes) -> bytes:
        """Return what may still pass of `data` before this link is cut."""
        if self._budget is not None:
            data = data[: max(0, self._budget - self.passed)]
        self.passed += len(data)
        return data

    @property
    def spent(self) -> bool:
        """Say whether it is to be cut."""
        return self._budget is not None and self.passed >= self._budget

    def reset(self) -> None:
        """Send RST both ways."""
        for writer in self._writers:
            sock = writer.transport.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


def every(link: Link) -> bool:
    """Pick all links."""
    return True


class FaultProxy:
    """See above. While it is `closed` nobody gets through."""

    def __init__(self, *servers: tuple[str, int], seed: int = 0) -> None:
        self.up, self.down = Weather(), Weather()
        self.cut_after: tuple[int, int] | None = None
        self.closed = False
        self.port = 0
        self.links: set[Link] = set()
        self.served = 0
        """Connections so far."""
        self.cuts = 0
        self.servers = list(servers)
        self._chance = random.Random(f"proxy {seed}")
        self._held: list[tuple[Callable[[Link], bool], bool, bool]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> FaultProxy:
        """Listen on loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Cut everything, and listen no more."""
        assert self._server is not None
        self.closed = True
        self._server.close()
        self.release()
        self.reset()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def reset(self, which: Callable[[Link], bool] = every) -> int:
        """Reset those connections, and return how many."""
        chosen = [link for link in self.links if which(link)]
        for link in chosen:
            link.reset()
        self.cuts += len(chosen)
        return len(chosen)

    def hold(self, which: Callable[[Link], bool] = every, *, up: bool = False, down: bool = False) -> None:
        """Let nothing of those connections through, of one way or both, new ones included, until `release`."""
        self._held.append((which, up, down))
        self._apply()

    def release(self) -> None:
        """Let everything through again, what waited first."""
        self._held.clear()
        self._apply()

    def clear(self) -> None:
        """Make no more trouble."""
        self.up.clear()
        self.down.clear()
        self.cut_after = None
        self.closed = False
        self.release()

    def _apply(self) -> None:
        for link in self.links:
            held = [(up, down) for which, up, down in self._held if which(link)]
            for event, is_held in (
                (link.up_open, any(up for up, _ in held)),
                (link.down_open, any(down for _, down in held)),
            ):
                event.clear() if is_held else event.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.closed:
            writer.transport.abort()
            return
        connected = await self._connect()
        if connected is None:
            writer.transport.abort()
            return
        there, back = connected
        link = Link(writer, back, self._chance.randint(*self.cut_after) if self.cut_after else None)
        self.links.add(link)
        self.served += 1
        self._apply()
        try:
            await asyncio.gather(
                self._pass(link, reader, back, self.up, link.up_open),
                self._pass(link, there, writer, self.down, link.down_open),
            )
        except asyncio.CancelledError:
            if not self.closed:
                raise
        finally:
            self.links.discard(link)
            writer.transport.abort()
            back.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to one of the servers, by chance; None where none accepts."""
        for server in self._chance.sample(self.servers, len(self.servers)):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_WITHIN):
                    return await asyncio.open_connection(*server)
        return None

    async def _pass(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        weather: Weather,
        is_open: asyncio.Event,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(READ):
                if weather is self.up and len(link.head) < HEAD:
                    link.head += data[:HEAD]
                    self._apply()  # who it is may be known only now
                for piece in weather.pieces(data, self._chance):
                    await is_open.wait()
                    if delay := weather.delay(len(piece), self._chance):
                        await asyncio.sleep(delay)
                    writer.write(link.allow(piece))
                    if link.spent:
                        self.cuts += 1
                        link.reset()
                        return
                    await writer.drain()
                    if piece is not data:
                        await asyncio.sleep(0)
        writer.close()
