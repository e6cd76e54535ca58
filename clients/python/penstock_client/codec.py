"""Frames to bytes and back: the two dialects of penstock.v1 ◆"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgpack  # type: ignore[import-untyped]  # it ships no types

from .errors import InvalidArgument, ProtocolError


class Codec(Protocol):
    """One dialect."""

    subprotocol: str
    """What is asked for in ``Sec-WebSocket-Protocol``."""
    text: bool
    """Whether it travels in text messages."""

    def encode(self, frame: dict[str, Any]) -> bytes:
        """Return the bytes of one frame; raise `InvalidArgument` for data this dialect cannot carry."""

    def join(self, frames: Sequence[bytes]) -> bytes:
        """Return one WebSocket message for one or more encoded frames."""

    def decode(self, message: bytes) -> dict[str, Any]:
        """Return the frame that a message holds; raise `ProtocolError` when it holds none."""


class Json:
    """UTF-8 JSON (RFC 8259) in text messages."""

    subprotocol = "penstock.v1.json"
    text = True

    def encode(self, frame: dict[str, Any]) -> bytes:
        """Return the bytes of one frame; raise `InvalidArgument` for bytes, NaN and anything else that is not JSON."""
        try:
            return json.dumps(frame, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            hint = "; Settings(codec='msgpack') carries bytes" if "bytes" in str(error) else ""
            raise InvalidArgument(f"The data cannot be written as JSON: {error}{hint}.") from error

    def join(self, frames: Sequence[bytes]) -> bytes:
        """Return a frame as it is, several as a JSON array."""
        return frames[0] if len(frames) == 1 else b"[" + b",".join(frames) + b"]"

    def decode(self, message: bytes) -> dict[str, Any]:
        """Return the frame that a message holds; raise `ProtocolError` when it holds none."""
        try:
            return _map(json.loads(message))
        except (ValueError, RecursionError) as error:
            raise ProtocolError("The gateway sent a message that is not JSON.") from error


class Msgpack:
    """MessagePack in binary messages."""

    subprotocol = "penstock.v1.msgpack"
    text = False

    def encode(self, frame: dict[str, Any]) -> bytes:
        """Return the bytes of one frame; raise `InvalidArgument` for what MessagePack has no type for."""
        try:
            return bytes(msgpack.packb(frame))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidArgument(f"The data cannot be written as MessagePack: {error}.") from error

    def join(self, frames: Sequence[bytes]) -> bytes:
        """Return a frame as it is, several as a MessagePack array."""
        if len(frames) == 1:
            return frames[0]
        return bytes(msgpack.Packer().pack_array_header(len(frames))) + b"".join(frames)

    def decode(self, message: bytes) -> dict[str, Any]:
        """Return the frame that a message holds; raise `ProtocolError` when it holds none."""
        try:
            # Payloads come from any language: their maps may have keys that are not strings.
            return _map(msgpack.unpackb(message, strict_map_key=False))
        except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
            raise ProtocolError("The gateway sent a message that is not MessagePack.") from error


def _map(value: Any) -> dict[str, Any]:
    """Return `value` when it is a map."""
    if not isinstance(value, dict):
        raise ProtocolError(f"The gateway sent a {type(value).__name__} where a frame is a map.")
    return value


CODECS: Final[dict[str, Codec]] = {"json": Json(), "msgpack": Msgpack()}
"""By the name that `Settings.codec` uses."""
