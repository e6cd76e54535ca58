"""A TCP proxy before the broker, whose cable can be cut, choked or sliced."""

import asyncio
import contextlib
import ssl


class Proxy:
    """Passes bytes on, until it is cut.

    While it is ``closed``, nobody gets through. ``piece`` is the most bytes that are passed on at once; ``tls`` makes
    it a TLS server.
    """

    def __init__(self, host: str, port: int, *, piece: int = 2**16, tls: ssl.SSLContext | None = None) -> None:
        self._target = (host, port)
        self._piece = piece
        self._tls = tls
        self._hears = asyncio.Event()
        self._hears.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.closed = False

    async def start(self) -> None:
        """Listen on loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut everything and listen no more."""
        self.closed = True
        self.cut()
        if self._server is not None:
            self._server.close()
        if self._tasks:
            await asyncio.wait(self._tasks)  # each ends where its connection is reset

    def cut(self) -> None:
        """Reset all connections, in the middle of whatever they say."""
        for writer in list(self._writers):
            writer.transport.abort()

    def choke(self) -> None:
        """Swallow what comes from the broker, and say nothing."""
        self._hears.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.closed:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer, self._hears))
        finally:
            self._writers -= {writer, back}
            writer.transport.abort()
            back.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hears: asyncio.Event | None = None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(self._piece):
                if hears is None or hears.is_set():
                    writer.write(data)
                    await writer.drain()
        writer.close()
