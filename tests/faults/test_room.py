"""A queue that is fuller than it may be is found, and one that may be fuller than it should."""

from __future__ import annotations

from typing import Any

import pytest

from shared.bus import topology
from shared.bus.topology import Queue
from tests.faults.room import over

ALL = [*topology.common().queues, *topology.gateway("boot").queues]


def row(queue: Queue, **counts: Any) -> dict[str, Any]:
    return {"name": queue.name, "arguments": queue.arguments(), **counts}


@pytest.mark.parametrize("queue", ALL, ids=lambda queue: queue.name)
def test_a_queue_may_be_as_full_as_it_is_bounded_and_no_fuller(queue: Queue) -> None:
    assert not list(over(row(queue, messages=queue.max_messages, message_bytes=queue.max_bytes)))
    assert list(over(row(queue, messages=queue.max_messages + 1, message_bytes=0)))
    assert list(over(row(queue, messages=0, message_bytes=queue.max_bytes + 1)))


@pytest.mark.parametrize("queue", ALL, ids=lambda queue: queue.name)
def test_a_queue_that_was_declared_without_its_bound_is_found_while_it_is_empty(queue: Queue) -> None:
    for bound in ("x-max-length", "x-max-length-bytes"):
        without = row(queue)
        del without["arguments"][bound]
        assert list(over(without))
