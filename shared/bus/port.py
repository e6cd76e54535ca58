"""The port to the bus: a small AMQP 0-9-1, with confirms, whoever provides it.

Both implementations keep one contract, and one suite of tests holds them to it:

* A bus *remembers* what it was asked to declare, bind and consume, and has all of it again after it lost its broker,
  before it says `READY`. Callers never redo it.
* `publish` decides at once whether the message can be sent at all, and the future it returns resolves when the broker
  has confirmed it, or fails with a `shared.errors.BusError`. Messages of one bus reach a queue in the order of calls.
* An intake calls its handler synchronously, message by message, in the order of the queue. The handler keeps or handles
  the message and returns; it must not raise. How much it may hold unacknowledged is the prefetch.
* No message is handed out before the bus is `READY`, so that what a handler publishes about it can go.
* What was not acknowledged when the connection was lost comes again, marked `redelivered`; acknowledging the old copy
  does nothing.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeAlias

from shared.bus.counters import BusCounters
from shared.bus.topology import Topology

HeaderValue: TypeAlias = str | int | float | bool | bytes | Sequence["HeaderValue"] | Mapping[str, "HeaderValue"] | None

CONFIRM_TIMEOUT = 5.0
"""Seconds until a publish without a confirm fails with `ConfirmTimeout`."""

STOP_PATIENCE = 2.0
"""Seconds that whoever stops waits for the bus: a container has ten in all, and a broker may be silent."""

RETURNS_UNTIL_DOUBT = 2
"""Times that a message comes back before it is doubtful: a lost connection brings it back once, and means nothing."""

RETURNS_HEADER = "x-delivery-count"
"""A quorum queue's count of the times that a message came back; there from the first time on."""

MAX_UNCONFIRMED = 65_536
MAX_UNCONFIRMED_BYTES = 128 * 2**20
"""Messages, and bytes of their bodies, of one bus that may wait for their confirms; `publish` refuses more."""


class BusState(Enum):
    """Whether the bus takes messages."""

    AWAY = "away"
    """No connection; the bus is trying to come back by itself."""
    BLOCKED = "blocked"
    """Connected and delivering, but the broker holds publishers back."""
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish. `timestamp` is seconds since 1970; `durable` messages survive the broker's restart."""

    body: bytes
    content_type: str | None = None
    message_id: str | None = None
    timestamp: int | None = None
    headers: Mapping[str, HeaderValue] = field(default_factory=dict)
    durable: bool = True


@dataclass(slots=True)
class Received:
    """A message as it came. `tag` and `generation` say which delivery it was, for its acknowledgement."""

    body: bytes
    queue: str
    exchange: str
    routing_key: str
    redelivered: bool
    tag: int
    generation: int
    content_type: str | None = None
    message_id: str | None = None
    timestamp: int | None = None
    headers: Mapping[str, HeaderValue] = field(default_factory=dict)

    @property
    def returns(self) -> int:
        """Return how often it was given out before, and came back; once where its queue does not count."""
        if not self.redelivered:
            return 0  # what the header says is its publisher's word then
        count = self.headers.get(RETURNS_HEADER)
        return count if isinstance(count, int) else 1

    @property
    def doubtful(self) -> bool:
        """Say whether it came back again and again: it may be what ended those who worked on it."""
        return self.redelivered and self.returns >= RETURNS_UNTIL_DOUBT


@dataclass(frozen=True, slots=True)
class Source:
    """A queue to consume from. Of several consumers of a single-active-consumer queue, the highest `priority` works.

    An `exclusive` consumer lets no other in beside it; RabbitMQ knows this for classic queues only.
    """

    queue: str
    priority: int = 0
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Depth:
    """How full a queue is, and how many consume from it."""

    messages: int
    consumers: int


Handler: TypeAlias = Callable[[Received], None]
Watcher: TypeAlias = Callable[[BusState, str], None]
"""Called on each change of state with the new one and its cause, in words."""


class Intake(Protocol):
    """A running consumption of one or more queues, with one prefetch each."""

    def ack(self, received: Received, *, through: bool = False) -> None:
        """Take the message off its queue; with `through`, all that this intake was given before it, too."""

    def ack_all(self, several: Sequence[Received]) -> None:
        """Take these off their queues, and nothing else.

        RabbitMQ's channels keep acknowledgements back, and lose them where they end, when more than 32 of a quorum
        queue are on their way. So what comes before all else that is in hand is acknowledged at once.
        """

    def reject(self, received: Received, *, requeue: bool) -> None:
        """Give the message back to its queue, or to the queue's dead-letter exchange."""

    async def flush(self, received: Received) -> bool:
        """Wait until the broker has the acknowledgement of `received`, and of all that were acknowledged before.

        Returns False where what it came over is lost: the broker may lack some of them, and these come again.
        """

    async def cancel(self) -> None:
        """Ask for no more messages. What is in hand can be acknowledged still; what is not goes back on `close`.

        Whoever is next is given newer messages at once, and what was on its way to us after these: where others wait
        for the queue, and its order matters, `leave`.
        """

    async def leave(self) -> None:
        """Ask for no more messages and give back what is in hand, in its order, before others are given any newer."""

    async def renew(self, queue: str) -> None:
        """Consume from one of its queues anew: behind others where they rank as high or higher.

        Raises `BusAway` where the connection is lost meanwhile.
        """

    def holds(self, received: Received) -> bool:
        """Say whether the message is in hand still: it can be acknowledged, and comes to nobody else."""


class Bus(Protocol):
    """A connection to a broker that heals itself."""

    counters: BusCounters
    """What this bus has done and refused so far."""

    failure: Exception | None
    """Why the last attempt to be `READY` failed; None where none has since the bus was."""

    @property
    def state(self) -> BusState:
        """Return whether the bus takes messages now."""

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` on each change of state from now on."""

    async def open(self) -> None:
        """Connect, and keep trying; return when the bus has been `READY` once.

        Raises `ConfigurationError` where trying again cannot help: access refused, a plugin missing, another shape.
        """

    async def close(self) -> None:
        """Give back what is unacknowledged, wait for outstanding confirms as long as they may take, and disconnect."""

    async def declare(self, topology: Topology) -> None:
        """Have these exchanges, queues and bindings, now and after each reconnection.

        Raises `TopologyMismatch` or `MissingPlugin` where the broker will not have them, `BusAway` where there is no
        connection now, and as one of these `QueueTaken` where another has such a queue to itself (it is remembered all
        the same, and the bus is away until it can be had).
        """

    async def bind(self, queue: str, exchange: str, keys: Iterable[str], *, lasting: bool = True) -> None:
        """Let messages with these routing keys reach `queue`; return when the broker has the bindings.

        Raises `BusAway` where there is no connection now (it is remembered all the same). What is not `lasting` is not
        remembered: it is gone for good with the connection, the queue or the exchange.
        """

    async def unbind(self, queue: str, exchange: str, keys: Iterable[str]) -> None:
        """Take bindings back, in the same way."""

    async def consume(self, sources: Sequence[Source], handler: Handler, *, prefetch: int) -> Intake:
        """Hand every message of these queues to `handler`, at most `prefetch` unacknowledged ones per queue.

        No message comes before the caller has the intake. Where there is no connection now, it begins when there is
        one. Raises `TopologyMismatch` where a queue is missing, `BusAway` where it belongs to another connection.
        """

    def publish(self, exchange: str, routing_key: str, message: Message, *, mandatory: bool = False) -> Future[None]:
        """Send, and return a future of the broker's confirm.

        The future fails with `BusAway`, `BusBlocked` (both at once, nothing was sent; `BusBlocked` also when
        `MAX_UNCONFIRMED` messages or `MAX_UNCONFIRMED_BYTES` wait already), `PublishRefused` (nack), `Unroutable` (no
        queue, with `mandatory`; no such exchange, in any case) or `ConfirmTimeout` (outcome unknown). If the connection
        is lost before the confirm came, it fails with `ConfirmTimeout` as well.

        Raises `ValueError` where a name, the routing key, the content type or the message id has more than 255 bytes.
        """

    async def depth(self, queue: str) -> Depth | None:
        """Return how full `queue` is, None where it does not exist.

        Raises `BusAway` where there is no connection now, and as one of these `QueueTaken` where another has the queue
        to itself.
        """
