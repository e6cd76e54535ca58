"""Every setting of a client, with its unit, default and effect ◆"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import InvalidArgument


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Raises `InvalidArgument` for a bound that is not positive, or a codec there is none of."""

    codec: Literal["json", "msgpack"] = "json"
    """The dialect on the wire. ``msgpack`` is smaller and carries bytes, ``json`` is readable everywhere."""
    name: str = "penstock-client-python"
    """What this client calls itself in the gateway's logs; at most 64 characters."""

    open_timeout: float | None = 10.0
    """Seconds that entering the client waits for the first connection, over all attempts. None: for ever."""
    connect_timeout: float = 10.0
    """Seconds for one attempt (token, TCP, TLS, handshake), and again for the gateway's `connected`."""
    request_timeout: float = 10.0
    """Seconds for the answer to a request. A subscribe that stays unanswered costs the connection; a publish is sent
    once more, as long as its own `timeout` lasts."""
    close_timeout: float = 1.0
    """Seconds for a polite goodbye; then the socket is cut."""
    silence: float | None = None
    """Seconds without any frame after which a connection counts as dead. None: the heartbeat that the gateway
    announces (25 s) and 10 s more."""

    max_in_flight: int = 256
    """Requests without an answer beyond which publishes wait for their turn. The gateway takes 256. Also how many
    publishes are kept to be sent, or sent again, while there is no connection."""
    max_in_flight_bytes: int = 1 << 24
    """Bytes, as they travel, of all publishes that are kept until their answer comes; more wait for their turn. Not
    less than `max_send_size`: the largest publish must fit."""
    max_subscriptions: int = 1000
    """Open iterators; one more is refused with `InvalidArgument`."""
    max_message_size: int = 1 << 20
    """Bytes of one incoming WebSocket message; a larger one costs the connection (1009)."""
    max_send_size: int = 1 << 16
    """Bytes of one outgoing WebSocket message; a larger publish raises `TooLarge` here, since the gateway would close
    the connection."""
    max_send_queue: int = 2048
    """Outgoing frames that wait for the socket; when they are more, the connection is given up and made anew. At least
    `max_in_flight` and `max_subscriptions` together: no burst of our own must be taken for a gateway that is stuck."""

    def __post_init__(self) -> None:
        if self.codec not in ("json", "msgpack"):
            raise InvalidArgument(f"There is no codec {self.codec!r}; choose 'json' or 'msgpack'.")
        if len(self.name) > 64:
            raise InvalidArgument(f"The name has {len(self.name)} characters; it may have 64.")
        for bound in _BOUNDS:
            value = getattr(self, bound)
            if value is not None and not value > 0:
                raise InvalidArgument(f"{bound} is {value!r}; it must be more than 0.")
        if self.max_send_queue < self.max_in_flight + self.max_subscriptions:
            raise InvalidArgument("max_send_queue must not be less than max_in_flight and max_subscriptions together.")
        if self.max_in_flight_bytes < self.max_send_size:
            raise InvalidArgument("max_in_flight_bytes must not be less than max_send_size.")


_BOUNDS = (
    "open_timeout",
    "connect_timeout",
    "request_timeout",
    "close_timeout",
    "silence",
    "max_in_flight",
    "max_in_flight_bytes",
    "max_subscriptions",
    "max_message_size",
    "max_send_size",
    "max_send_queue",
)
