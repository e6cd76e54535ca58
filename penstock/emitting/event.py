"""An event to publish, and what is wrong with one that cannot be ◆"""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.topics import MAX_BYTES, MAX_SEGMENTS, is_topic

JSON = "application/json"
TEXT = "text/plain"

MAX_KEY = 128
"""Characters of an idempotency key, as at the gateway."""

EXCERPT = 40
"""Characters shown on either side of a mistake."""


@dataclass(frozen=True, slots=True)
class Event:
    """What is published: `key` makes repeating it harmless (one effect within 5 minutes)."""

    topic: str
    body: bytes
    content_type: str
    key: str | None = None


class NotAnEvent(ValueError):
    """The topic or the payload is not one; the message says where."""


def check_topic(topic: str) -> str:
    """Return `topic`; raise `NotAnEvent` where it does not name exactly one."""
    if is_topic(topic):
        return topic
    if "*" in topic or "#" in topic:
        raise NotAnEvent(f"{topic!r} is a pattern; an event is published to one topic, such as orders.42.")
    raise NotAnEvent(
        f"{topic!r} is no topic: 1-{MAX_SEGMENTS} segments joined by dots, each of A-Z a-z 0-9 _ ~ : @ = -, "
        f"at most {MAX_BYTES} bytes."
    )


def check_key(key: str | None) -> str | None:
    """Return `key`; raise `NotAnEvent` where a gateway or broker would not carry it."""
    if key is None or (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable() and " " not in key):
        return key
    raise NotAnEvent(f"The key must have 1-{MAX_KEY} visible characters of ASCII.")


def check_json(text: str) -> bytes:
    """Return the bytes of a JSON text (RFC 8259); raise `NotAnEvent` that shows where it is none."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise NotAnEvent(
            f"The payload is not JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}:\n"
            f"{_excerpt(error.doc, error.pos)}\n"
            "For plain text add --text."
        ) from error
    except (ValueError, RecursionError) as error:
        raise NotAnEvent(f"The payload is not JSON: {error}. For plain text add --text.") from error
    return text.encode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _excerpt(document: str, position: int) -> str:
    """Return the line of the mistake, and a caret under it."""
    begin = document.rfind("\n", 0, position) + 1
    end = document.find("\n", position)
    end = len(document) if end < 0 else end
    left, right = max(begin, position - EXCERPT), min(end, position + EXCERPT)
    before = ("…" if left > begin else "") + document[left:position]
    after = document[position:right] + ("…" if right < end else "")
    return f"  {before}{after}\n  {' ' * len(before)}^"
