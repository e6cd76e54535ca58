"""What a session has asked and has no answer to yet ◆"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from gateway.catchup import Joining
from shared import frames


class Asked(Enum):
    """What a router was asked."""

    CONNECT = "connect"
    SUBSCRIBE = "subscribe"
    PUBLISH = "publish"
    REFRESH = "refresh"
    HISTORY = "history"
    PRESENCE = "presence"


class Pending(NamedTuple):
    """A request whose answer has not come; `id` is the client's number for it, `topic` what is `joining`.

    `since` and `tail` say what of the past a subscription wants.
    """

    asked: Asked
    id: int
    topic: str = ""
    joining: Joining | None = None
    since: frames.Since | None = None
    tail: int = 0
