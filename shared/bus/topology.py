"""Every exchange, queue and binding that Penstock has, as data ◆

Names are made here and nowhere else. There is never a queue, a consumer or a binding per client or per topic, and a
client's string never becomes a name or a binding key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from shared.topics import PARTITIONS

EVENTS = "penstock.events"
PARTITION = "penstock.partition"
FRAMES = "penstock.frames"
DELIVER = "penstock.deliver"
REPLIES = "penstock.replies"
CONTROL = "penstock.control"
SIGNALS = "penstock.signals"
CALLS = "penstock.calls"
DEAD = "penstock.dead"
MEMORY = "penstock.memory"

ANY_SLOT = "any"
"""The routing key by which gateways with pattern subscriptions hear every slot."""

CC_HEADER = "BCC"
"""RabbitMQ's sender-selected distribution: further routing keys of one message, stripped before it is delivered."""

ROUTE_MESSAGES = 20_000
ROUTE_BYTES = 64 * 2**20
ROUTE_DELIVERIES = 100
"""Times that a partition gives out a message again. All that a router's prefetch holds comes back when it dies, so the
routers put away what they die of long before (`router.doubt`); this ends what they cannot."""
SPILL_MESSAGES = 100_000
SPILL_BYTES = 256 * 2**20
GATEWAY_MESSAGES = 10_000
GATEWAY_BYTES = 32 * 2**20
REPLIES_MESSAGES = 50_000
REPLIES_BYTES = 64 * 2**20
DEAD_MESSAGES = 100_000
DEAD_BYTES = 256 * 2**20
MEMORY_BYTES = 2**20


class ExchangeKind(StrEnum):
    """How an exchange chooses."""

    DIRECT = "direct"
    TOPIC = "topic"
    FANOUT = "fanout"
    MODULUS_HASH = "x-modulus-hash"


class QueueKind(StrEnum):
    """How a queue keeps its messages."""

    QUORUM = "quorum"
    CLASSIC = "classic"


class Overflow(StrEnum):
    """What a full queue does with one message more."""

    REJECT_PUBLISH = "reject-publish"
    DROP_HEAD = "drop-head"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: ExchangeKind


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, always bounded. An `exclusive` one belongs to one connection and ends with it."""

    name: str
    kind: QueueKind
    max_messages: int
    max_bytes: int
    overflow: Overflow
    exclusive: bool = False
    single_active_consumer: bool = False
    delivery_limit: int | None = None
    dead_letter_exchange: str | None = None
    dead_letter_key: str | None = None
    """The routing key of what leaves for that exchange; None: the one that it came with."""

    def arguments(self) -> dict[str, str | int | bool]:
        """Return the arguments of its declaration."""
        arguments: dict[str, str | int | bool] = {
            "x-queue-type": self.kind.value,
            "x-max-length": self.max_messages,
            "x-max-length-bytes": self.max_bytes,
            "x-overflow": self.overflow.value,
        }
        if self.single_active_consumer:
            arguments["x-single-active-consumer"] = True
        if self.delivery_limit is not None:
            arguments["x-delivery-limit"] = self.delivery_limit
        if self.dead_letter_exchange is not None:
            arguments["x-dead-letter-exchange"] = self.dead_letter_exchange
            if self.dead_letter_key is not None:
                arguments["x-dead-letter-routing-key"] = self.dead_letter_key
            if self.kind is QueueKind.QUORUM:
                arguments["x-dead-letter-strategy"] = "at-least-once"
        return arguments


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages of the exchange `source` with this `key` go to `destination`, a queue or (`to_exchange`) an exchange.

    At a modulus-hash exchange the key does not count.
    """

    source: str
    destination: str
    key: str
    to_exchange: bool = False


@dataclass(frozen=True, slots=True)
class Topology:
    """Things to declare, in this order."""

    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()


Entity: TypeAlias = Exchange | Queue | Binding


def route_queue(partition: int) -> str:
    """Return the name of a partition's queue."""
    return f"penstock.route.{partition}"


def spill_queue(route: str) -> str:
    """Return the name of the queue in which events of a partition, by its queue `route`, wait for the store."""
    return route.replace("route", "spill")


def gateway_queue(boot_id: str) -> str:
    """Return the name of the queue of deliveries to one gateway."""
    return f"penstock.gateway.{boot_id}"


def replies_queue(boot_id: str) -> str:
    """Return the name of the queue of answers to one gateway."""
    return f"penstock.replies.{boot_id}"


def dropped_queue(boot_id: str) -> str:
    """Return the name of the queue that tells a gateway that deliveries to it were dropped."""
    return f"penstock.dropped.{boot_id}"


def common() -> Topology:
    """Return what every process declares, so that they may start in any order."""
    routes = tuple(_route(number) for number in range(PARTITIONS))
    dead = Queue(DEAD, QueueKind.QUORUM, DEAD_MESSAGES, DEAD_BYTES, Overflow.REJECT_PUBLISH)
    return Topology(
        exchanges=(
            Exchange(EVENTS, ExchangeKind.TOPIC),
            Exchange(PARTITION, ExchangeKind.MODULUS_HASH),
            Exchange(FRAMES, ExchangeKind.DIRECT),
            Exchange(DELIVER, ExchangeKind.DIRECT),
            Exchange(REPLIES, ExchangeKind.DIRECT),
            Exchange(CONTROL, ExchangeKind.FANOUT),
            Exchange(SIGNALS, ExchangeKind.TOPIC),
            Exchange(CALLS, ExchangeKind.TOPIC),
            Exchange(DEAD, ExchangeKind.FANOUT),
        ),
        queues=(dead, *routes),
        bindings=(
            Binding(DEAD, DEAD, ""),
            Binding(EVENTS, PARTITION, "#", to_exchange=True),
            # In the order of their names: the spread is by their place, and a RabbitMQ before 4.3 that has its metadata
            # in Khepri finds them in that order when it starts.
            *(Binding(PARTITION, name, "") for name in sorted(route.name for route in routes)),
            *(Binding(FRAMES, route.name, str(number)) for number, route in enumerate(routes)),
        ),
    )


def gateway(boot_id: str) -> Topology:
    """Return what one gateway declares for itself; its slots are bound as its subscribers need them."""
    deliveries = Queue(
        gateway_queue(boot_id),
        QueueKind.CLASSIC,
        GATEWAY_MESSAGES,
        GATEWAY_BYTES,
        Overflow.DROP_HEAD,
        exclusive=True,
        dead_letter_exchange=REPLIES,
        dead_letter_key=dropped_queue(boot_id),
    )
    # One of what was dropped is enough to know that something was.
    dropped = Queue(
        dropped_queue(boot_id), QueueKind.CLASSIC, 1, GATEWAY_BYTES, Overflow.DROP_HEAD, exclusive=True
    )  # fmt: skip
    replies = Queue(
        replies_queue(boot_id),
        QueueKind.CLASSIC,
        REPLIES_MESSAGES,
        REPLIES_BYTES,
        Overflow.DROP_HEAD,
        exclusive=True,
    )
    return Topology(
        queues=(deliveries, replies, dropped),
        bindings=(
            Binding(REPLIES, replies.name, boot_id),
            Binding(REPLIES, dropped.name, dropped.name),
            Binding(CONTROL, replies.name, ""),
        ),
    )


def spill(route: str) -> Topology:
    """Return what a router declares when more events of a partition wait for the store than it may hold."""
    queue = Queue(
        spill_queue(route),
        QueueKind.QUORUM,
        SPILL_MESSAGES,
        SPILL_BYTES,
        Overflow.REJECT_PUBLISH,
        single_active_consumer=True,
        delivery_limit=ROUTE_DELIVERIES,
        dead_letter_exchange=DEAD,
    )
    return Topology(queues=(queue,))


def memory() -> Topology:
    """Return what a router has that keeps logs in its own memory. Nothing goes through it: who has it counts."""
    return Topology(
        queues=(Queue(MEMORY, QueueKind.CLASSIC, 1, MEMORY_BYTES, Overflow.DROP_HEAD, exclusive=True),)
    )


def slot_keys(slots: Iterable[int]) -> list[str]:
    """Return the routing keys of slots, in order."""
    return [str(slot) for slot in sorted(slots)]


def _route(number: int) -> Queue:
    return Queue(
        route_queue(number),
        QueueKind.QUORUM,
        ROUTE_MESSAGES,
        ROUTE_BYTES,
        Overflow.REJECT_PUBLISH,
        single_active_consumer=True,
        delivery_limit=ROUTE_DELIVERIES,
        dead_letter_exchange=DEAD,
    )
