"""From the bytes of a batch to its requests, and to what in it cannot be read ◆"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from router.plan import Asker
from router.refusals import DeadReason, Unprocessable
from router.requests import grant_of
from shared.envelopes import AnyRequest, FrameBatch, LooseFrameBatch, read_frames, read_frames_loosely
from shared.errors import MalformedEnvelope

_read_request = msgspec.msgpack.Decoder(AnyRequest).decode


@dataclass(slots=True)
class Batch:
    """What one gateway sent. `unreadable` are the items of which nothing can be made."""

    asker: Asker
    requests: list[AnyRequest]
    unreadable: list[bytes] = field(default_factory=list)


def read_batch(body: bytes) -> Batch:
    """Return the batch in `body`; raise `Unprocessable` where there is none."""
    try:
        frames = read_frames(body)
    except MalformedEnvelope:
        return _read_loosely(body)
    return Batch(_asker(frames), frames.items)


def _read_loosely(body: bytes) -> Batch:
    """Return a batch of which only some items can be read: one gateway's odd frame must not cost the others'."""
    try:
        frames = read_frames_loosely(body)
    except MalformedEnvelope as malformed:
        raise Unprocessable(DeadReason.UNREADABLE_BATCH, str(malformed)) from None
    batch = Batch(_asker(frames), [])
    for item in frames.items:
        try:
            batch.requests.append(_read_request(item))
        except (ValueError, RecursionError):
            batch.unreadable.append(bytes(item))
    return batch


def _asker(frames: FrameBatch | LooseFrameBatch) -> Asker:
    return Asker(frames.gateway, [grant_of(packed) for packed in frames.grants])
