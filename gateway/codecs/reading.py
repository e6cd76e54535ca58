"""Reading what a client sent, guilty frames apart from the good ones ◆

The good case is one call of a typed decoder. Only when that refuses is the message looked at again: is it well-formed
at all, which frame is guilty, and does that frame say which request it was?
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, get_args

import msgspec
from msgspec import Raw, Struct

from gateway.codecs.depth import MAX_DEPTH
from gateway.codecs.dialect import BadFrame, Incoming
from shared.frames import MAX_FRAMES_PER_MESSAGE, AnyClientFrame, RequestId

REASON_LENGTH = 200
"""Characters of a reason; what a client sent comes back to it no longer than this."""

UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
"""All that msgspec's decoders are known to raise; `UnicodeDecodeError` is a `ValueError`."""


_TYPE = re.compile(r"^Invalid value .* - at `\$\.type`$", re.DOTALL)
_KINDS = ", ".join(str(kind.__struct_config__.tag) for kind in get_args(AnyClientFrame))


class Decode(Protocol):
    """Decoders of msgspec, whichever the format."""

    def decode(self, payload: Any, /) -> Any:
        """Return the value in `payload`; raise one of `UNREADABLE`."""


MakeDecoder: TypeAlias = Callable[[Any], Decode]


class _Identified(Struct, gc=False):
    """The part of a frame that says which request it is."""

    id: RequestId


TOO_DEEP = BadFrame(f"nested deeper than {MAX_DEPTH} levels", fatal=True)
TOO_MANY = BadFrame(f"more than {MAX_FRAMES_PER_MESSAGE} frames in one array", fatal=True)
NOT_FRAMES = BadFrame("a message must be one frame (a map) or an array of frames", fatal=True)
NO_FRAMES = BadFrame("an array of no frames")


class Reader:
    """Reads the messages of one dialect. `name` is the format's, for people."""

    __slots__ = ("_frame", "_identified", "_items", "_name", "_raw")

    def __init__(self, name: str, decoder: MakeDecoder) -> None:
        self._name = name
        self._frame = decoder(AnyClientFrame)
        self._items = decoder(list[Raw])
        self._raw = decoder(Raw)
        self._identified = decoder(_Identified)

    def one(self, payload: bytes) -> list[Incoming]:
        """Read one frame."""
        return [self._one(payload)]

    def _one(self, payload: bytes | Raw) -> Incoming:
        try:
            frame: AnyClientFrame = self._frame.decode(payload)
        except UNREADABLE as error:
            return self._refusal(payload, error)
        return frame

    def many(self, payload: bytes, *, untouched: bytes = b"", otherwise: str = "") -> list[Incoming]:
        """Read an array of frames.

        With `untouched`, which is as long, it is what the client wrote: frames that are well-formed in it are read as
        they are there, and the others are refused with the reason `otherwise`.
        """
        try:
            items = self._items.decode(payload)
        except UNREADABLE as error:
            return [self._malformed(error)]
        if not items:
            return [NO_FRAMES]
        if len(items) > MAX_FRAMES_PER_MESSAGE:
            return [TOO_MANY]
        if not otherwise:
            return [self._one(item) for item in items]
        incoming: list[Incoming] = []
        place = 0
        for raw in items:
            item = bytes(raw)
            # Where it begins in both: between two items there are but a comma and white space.
            place = payload.index(item, place)
            original = untouched[place : place + len(item)]
            incoming.append(self._one(original) if self.well_formed(original) else self.blame(item, otherwise))
            place += len(item)
        return incoming

    def neither(self, payload: bytes) -> list[Incoming]:
        """Refuse what is no map and no array."""
        try:
            self._raw.decode(payload)
        except UNREADABLE as error:
            return [self._malformed(error)]
        return [NOT_FRAMES]

    def well_formed(self, payload: bytes) -> bool:
        """Say whether `payload` is exactly one value; strings in MessagePack are not looked into."""
        try:
            self._raw.decode(payload)
        except UNREADABLE:
            return False
        return True

    def blame(self, payload: bytes | Raw, reason: str) -> BadFrame:
        """Return a refusal of this well-formed frame alone, with its id if it has one."""
        try:
            identified: _Identified = self._identified.decode(payload)
        except UNREADABLE:
            return BadFrame(reason[:REASON_LENGTH])
        return BadFrame(reason[:REASON_LENGTH], identified.id)

    def _refusal(self, payload: bytes | Raw, error: Exception) -> BadFrame:
        # A wrong field is told before anything that is malformed behind it.
        try:
            self._raw.decode(payload)
        except UNREADABLE as malformed:
            return self._malformed(malformed)
        # Reasons are logged, so what the client wrote stays out of them: the decoder repeats a `type` that is none.
        reason = _TYPE.sub(f"unknown type; there are {_KINDS}", str(error))
        return self.blame(payload, f"not a frame of this protocol: {reason}")

    def _malformed(self, error: Exception) -> BadFrame:
        return BadFrame(f"not {self._name}: {error}"[:REASON_LENGTH], fatal=True)
