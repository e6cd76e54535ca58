"""Bytes ↔ frames: a dialect each for JSON and MessagePack ◆

`DIALECTS` is in the order in which a dialect's `index` counts.
"""

from __future__ import annotations

from gateway.codecs import json, msgpack
from gateway.codecs.dialect import BadFrame, Dialect, Incoming

DIALECTS: tuple[Dialect, ...] = (json, msgpack)
"""What a client may offer, by `Dialect.index`; the first is the default when it offers none."""

BY_SUBPROTOCOL: dict[str, Dialect] = {dialect.subprotocol: dialect for dialect in DIALECTS}

__all__ = ["BY_SUBPROTOCOL", "DIALECTS", "BadFrame", "Dialect", "Incoming"]
