"""Whether a payload is what it says it is ◆

Subscribers get a publisher's bytes as they are, so that nothing is parsed on the way to them; what would break a
client is found here. Checked are size, depth and form. Nothing is allocated that a payload only declares, and no
depth is left to the interpreter's recursion limit.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no types
import msgspec

from shared.codes import ErrorCode
from shared.envelopes import Encoding

JSON = Encoding.JSON

_CONTENT_TYPES = {
    "application/json": Encoding.JSON,
    "text/plain": Encoding.TEXT,
    "application/msgpack": Encoding.MSGPACK,
    "application/x-msgpack": Encoding.MSGPACK,
    "application/vnd.msgpack": Encoding.MSGPACK,
    "application/octet-stream": Encoding.BINARY,
}

_parse_json = msgspec.json.Decoder().decode
_skip_msgpack = msgspec.msgpack.Decoder(msgspec.Raw).decode

_JSON_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # one that does not end is eaten, not tried again
_STEPS = bytes(1 if byte in b"[{" else 0xFF if byte in b"]}" else 0 for byte in range(256))
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_NO_CONTAINERS = bytes(byte for byte in range(256) if byte not in (*range(0x80, 0xA0), *range(0xDC, 0xE0)))
_CONTAINERS = frozenset((list, dict))


class BadPayload(Exception):
    """A payload that no client is to be given: `code` for its publisher, and why."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def encoding_of(content_type: str | None) -> Encoding | None:
    """Return how to read a body of this AMQP ``content_type``; JSON where there is none, None where we cannot.

    Parameters (``; charset=…``) are not looked at: text must be UTF-8, and that is checked.
    """
    if not content_type:
        return Encoding.JSON
    return _CONTENT_TYPES.get(content_type.partition(";")[0].strip().lower())


class Payloads:
    """Checks payloads of at most `max_bytes`, nested at most `max_depth` deep."""

    def __init__(self, max_bytes: int, max_depth: int) -> None:
        self._max_bytes = max_bytes
        self._max_depth = max_depth

    def check(self, payload: bytes, encoding: Encoding) -> None:
        """Return if `payload` is good; raise `BadPayload` if not."""
        if len(payload) > self._max_bytes:
            reason = f"the payload has {len(payload)} bytes, and {self._max_bytes} are allowed"
            raise BadPayload(ErrorCode.TOO_LARGE, reason)
        if encoding == JSON:
            self._check_json(payload)
        elif encoding == Encoding.MSGPACK:
            self._check_msgpack(payload)
        elif encoding == Encoding.TEXT:
            _check_text(payload)

    def _check_json(self, payload: bytes) -> None:
        most = payload.count(b"[") + payload.count(b"{")
        if most > self._max_depth and json_depth(payload) > self._max_depth:
            raise self._too_deep()
        try:
            _parse_json(payload)
        except msgspec.ValidationError:
            raise BadPayload(ErrorCode.BAD_REQUEST, "the payload has a number that is out of range") from None
        except ValueError:  # of the form, of UTF-8, of a surrogate without its other half
            raise BadPayload(ErrorCode.BAD_REQUEST, "the payload is not JSON") from None

    def _check_msgpack(self, payload: bytes) -> None:
        try:
            _skip_msgpack(payload)  # allocates nothing, and knows afterwards that all that is declared is there
            value = msgpack.unpackb(payload)  # knows UTF-8, and wants strings for keys: numbers can be made to collide
        except (RecursionError, msgpack.StackError):
            raise self._too_deep() from None
        except (ValueError, TypeError, OverflowError):
            reason = "the payload is not MessagePack with string keys and UTF-8 strings"
            raise BadPayload(ErrorCode.BAD_REQUEST, reason) from None
        most = len(payload.translate(None, _NO_CONTAINERS))
        if most > self._max_depth and is_deeper(value, self._max_depth):
            raise self._too_deep()

    def _too_deep(self) -> BadPayload:
        reason = f"the payload is nested deeper than {self._max_depth} levels"
        return BadPayload(ErrorCode.BAD_REQUEST, reason)


def json_depth(payload: bytes) -> int:
    """Return how deep brackets outside of strings are nested; exact where `payload` is JSON."""
    brackets = _JSON_STRING.sub(b"", payload).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0)


def is_deeper(value: Any, depth: int) -> bool:
    """Say whether the lists and dicts of `value` are nested deeper than `depth` levels."""
    level = [value]
    for _ in range(depth):
        containers = [each for each in level if each.__class__ in _CONTAINERS]
        level = [child for each in containers for child in (each.values() if each.__class__ is dict else each)]
        if not level:
            return False
    return any(each.__class__ in _CONTAINERS for each in level)


def _check_text(payload: bytes) -> None:
    if payload.isascii():
        return
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise BadPayload(ErrorCode.BAD_REQUEST, "the payload is not UTF-8") from None
