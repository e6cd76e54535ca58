"""Full batches of publish requests straight to the bus, as a gateway sends them: the router alone is the bottleneck.

Obeys loadgen's commands (open, start, count, stop, quit) and answers in its form. Run as
`python -m benchmarks.load.bus_publisher AMQP_URL SIZE`.
"""

import asyncio
import json
import sys
import time
import uuid

import uvloop

from benchmarks.load.body import body
from shared.bus.amqp import AmqpBus
from shared.bus.port import Bus, Message, Received, Source
from shared.bus.topology import FRAMES, common, gateway, replies_queue
from shared.envelopes import (
    MAX_ITEMS,
    VERSION,
    Encoding,
    FrameBatch,
    Grant,
    Published,
    PublishRequest,
    Refused,
    pack,
    read_replies,
)
from shared.errors import BusError
from shared.topics import PARTITIONS, partition

WINDOW = 2
"""Unanswered batches per partition."""
PREFETCH = 1000


class BusPublisher:
    """Keeps a window of batches in flight on every partition and counts the answers."""

    def __init__(self, bus: Bus, size: int) -> None:
        self.bus = bus
        self.boot_id = f"bench-{uuid.uuid4().hex[:12]}"
        self.batches = [self._batch(number, body(size)) for number in range(PARTITIONS)]
        self.in_flight = [0] * PARTITIONS
        self.publishing = False
        self.unconfirmed: set[asyncio.Future[None]] = set()
        self.reset()

    def reset(self) -> None:
        self.ok = self.errors = 0
        self.first_error = ""
        self.began, self.cpu = time.monotonic(), time.process_time()

    def counted(self) -> dict[str, object]:
        return {
            "event": "phase",
            "seconds": time.monotonic() - self.began,
            "cpu": time.process_time() - self.cpu,
            "ok": self.ok,
            "errors": self.errors,
            "first_error": self.first_error,
        }

    async def open(self) -> None:
        await self.bus.open()
        await self.bus.declare(common())
        await self.bus.declare(gateway(self.boot_id))
        source = Source(replies_queue(self.boot_id), exclusive=True)
        self.intake = await self.bus.consume([source], self._on_replies, prefetch=PREFETCH)

    def start(self) -> None:
        self.reset()
        self.publishing = True
        for number in range(PARTITIONS):
            self._fill(number)

    def _batch(self, number: int, payload: bytes) -> Message:
        """The session's number in each request is that of the partition, so that answers tell where there is room."""
        topic = next(name for at in range(100_000) if partition(name := f"bench.frames.{at}") == number)
        grant = Grant("bench", ("bench.#",), ("bench.#",), (), int(time.time()) + 7200)
        requests = [PublishRequest(number, at, 0, topic, payload, Encoding.JSON) for at in range(MAX_ITEMS)]
        return Message(pack(FrameBatch(VERSION, self.boot_id, [pack(grant)], list(requests))))

    def _fill(self, number: int) -> None:
        while self.publishing and self.in_flight[number] <= (WINDOW - 1) * MAX_ITEMS:
            self.in_flight[number] += MAX_ITEMS
            confirm = self.bus.publish(FRAMES, str(number), self.batches[number])
            self.unconfirmed.add(confirm)
            confirm.add_done_callback(self._on_confirm)

    def _on_confirm(self, confirm: asyncio.Future[None]) -> None:
        self.unconfirmed.discard(confirm)
        if not confirm.cancelled() and isinstance(error := confirm.exception(), BusError):
            self.errors += 1
            self.first_error = self.first_error or f"{type(error).__name__}: {error}"

    def _on_replies(self, received: Received) -> None:
        self.intake.ack(received)
        answered: set[int] = set()
        for reply in read_replies(received.body).items:
            if isinstance(reply, Published):
                self.ok += 1
            elif isinstance(reply, Refused):
                self.errors += 1
                self.first_error = self.first_error or f"{reply.code}: {reply.reason}"
            self.in_flight[reply.session] -= 1
            answered.add(reply.session)
        for number in answered:
            self._fill(number)


async def obey(publisher: BusPublisher, commands: asyncio.StreamReader) -> None:
    """Read commands until `quit` or the end."""
    while (command := (await commands.readline()).decode().strip()) not in ("", "quit"):
        answer: dict[str, object]
        if command.startswith("open"):
            await publisher.open()
            answer = {"event": "ready", "clients": 1}
        elif command == "start":
            publisher.start()
            answer = {"event": "started", "clients": 1}
        else:
            publisher.publishing = publisher.publishing and command != "stop"
            answer = publisher.counted()
        print(json.dumps(answer), flush=True)


async def main() -> None:
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    bus = AmqpBus(sys.argv[1], name="bench")
    await obey(BusPublisher(bus, size=int(sys.argv[2])), commands)
    await bus.close()


if __name__ == "__main__":
    uvloop.run(main())
