"""Queues for tests."""

from shared.bus.topology import Binding, Exchange, ExchangeKind, Overflow, Queue, QueueKind, Topology

DEAD = "test.dead"


def plain(name: str, **more: object) -> Queue:
    """A durable queue for everything."""
    shape: dict[str, object] = {"kind": QueueKind.QUORUM, "max_messages": 1000, "max_bytes": 2**24}
    return Queue(name, **{**shape, "overflow": Overflow.REJECT_PUBLISH, **more})  # type: ignore[arg-type]


def own(name: str, **more: object) -> Queue:
    """A queue of one connection."""
    return plain(name, kind=QueueKind.CLASSIC, exclusive=True, **more)


def partition(name: str, **more: object) -> Queue:
    """A queue of which one consumer works at a time."""
    return plain(name, single_active_consumer=True, **more)


def graveyard() -> Topology:
    """A dead-letter exchange and its queue."""
    return Topology(
        exchanges=(Exchange(DEAD, ExchangeKind.FANOUT),),
        queues=(plain(DEAD),),
        bindings=(Binding(DEAD, DEAD, ""),),
    )


def only(*queues: Queue) -> Topology:
    """Queues, which the default exchange reaches by their names."""
    return Topology(queues=queues)
