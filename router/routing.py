"""From entries and replies to the messages that carry them: few, full, and each to all who want it ◆

A batch of entries is published once. Its routing key is the first of their slots; the others, and ``any``, travel in a
header by which RabbitMQ gives every interested gateway one copy.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Raw, Struct

from router.plan import Outgoing
from shared.attending import Notice
from shared.bus.port import Message
from shared.bus.topology import ANY_SLOT, CC_HEADER, DELIVER, REPLIES
from shared.envelopes import MAX_BYTES, MAX_ITEMS, VERSION, AnyReply, Entry, pack
from shared.topics import SLOTS, slot

ENVELOPE_BYTES = 5
"""Bytes of a batch around its items: two array headers (the inner one of up to 3 bytes) and the version."""

_SLOT_KEYS = tuple(map(str, range(SLOTS)))


class _Batch(Struct, array_like=True):
    """A `DeliveryBatch` or `ReplyBatch` whose items are packed already."""

    version: int
    items: list[Raw]


class _NoticeBatch(Struct, array_like=True):
    """A `DeliveryBatch` of notices."""

    version: int
    items: tuple[()]
    notices: list[Raw]


class Deliveries:
    """Entries, or else notices, in the order in which they are added, in as few batches as their bounds allow.

    `entries` counts them.
    """

    def __init__(self) -> None:
        self.entries = 0
        self._done: list[Outgoing] = []
        self._items: list[Raw] = []
        self._slots: dict[str, None] = {}
        self._size = ENVELOPE_BYTES
        self._are_notices = False

    def add(self, entry: Entry | Notice) -> None:
        """Put `entry` after the others, which are of its kind."""
        self._are_notices = isinstance(entry, Notice)
        packed = pack(entry)
        if self._items and (len(self._items) == MAX_ITEMS or self._size + len(packed) > MAX_BYTES):
            self._close()
        self.entries += 1
        self._items.append(Raw(packed))
        self._size += len(packed)
        self._slots[_SLOT_KEYS[slot(entry.topic)]] = None

    def finish(self) -> list[Outgoing]:
        """Return all batches, to be published in this order."""
        if self._items:
            self._close()
        return self._done

    def _close(self) -> None:
        first, *others = self._slots
        items = self._items
        batch = _NoticeBatch(VERSION, (), items) if self._are_notices else _Batch(VERSION, items)
        message = Message(pack(batch), headers={CC_HEADER: [*others, ANY_SLOT]}, durable=False)
        self._done.append(Outgoing(DELIVER, first, message))
        self._items, self._slots, self._size = [], {}, ENVELOPE_BYTES


def replies_to(gateway: str, replies: Iterable[AnyReply]) -> list[Outgoing]:
    """Return the messages that carry `replies`, in their order, to `gateway`."""
    batches: list[list[Raw]] = []
    size = MAX_BYTES
    for packed in map(pack, replies):
        size += len(packed)
        if not batches or len(batches[-1]) == MAX_ITEMS or size > MAX_BYTES:
            batches.append([])
            size = ENVELOPE_BYTES + len(packed)
        batches[-1].append(Raw(packed))
    return [Outgoing(REPLIES, gateway, Message(pack(_Batch(VERSION, batch)), durable=False)) for batch in batches]
