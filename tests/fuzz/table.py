"""Every decoder that sees bytes of strangers, by name: one table for the tests and for ``make fuzz`` ◆"""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import clients, events, frames, heads, names, payloads, requests, sockets, tokens

TARGETS: dict[str, Target] = {
    target.name: target
    for room in (frames, requests, sockets, heads, names, tokens, payloads, events, clients)
    for target in room.TARGETS
}
