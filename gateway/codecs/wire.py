"""Finished WebSocket frames of a server: final, unmasked (RFC 6455, sections 5.1 and 5.2) ◆"""

from __future__ import annotations

TEXT = 0x1
BINARY = 0x2

_FINAL = 0x80
_LONG = 126
"""Payloads from this length on say it in 16 bits, from 2¹⁶ on in 64."""

_SHORT = tuple(tuple(bytes((_FINAL | opcode, length)) for length in range(_LONG)) for opcode in range(16))


def frame(opcode: int, payload: bytes) -> bytes:
    """Return the frame that carries the whole of `payload`."""
    length = len(payload)
    if length < _LONG:
        return _SHORT[opcode][length] + payload
    if length < 1 << 16:
        return b"%c\x7e%b%b" % (_FINAL | opcode, length.to_bytes(2, "big"), payload)
    return b"%c\x7f%b%b" % (_FINAL | opcode, length.to_bytes(8, "big"), payload)
