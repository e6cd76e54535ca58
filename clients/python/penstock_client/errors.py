"""The tree of errors, all derived from `PenstockError` ◆

::

    PenstockError
    ├── InvalidArgument         what was given cannot be used (also a ValueError)
    ├── Misuse                  called in an order that cannot work (also a RuntimeError)
    ├── ClientClosed            the client was left; nothing more is sent or received
    ├── ConnectionFailed        the client has stopped and will not come back by itself
    │   ├── Unreachable         no gateway accepted the client within `open_timeout`
    │   ├── NotPenstock         what answers at the address refuses, or speaks something else
    │   ├── AuthenticationError
    │   │   ├── NotAuthenticated    4100  not authenticated in time
    │   │   ├── BadToken            4101  the token does not prove who you are
    │   │   ├── TokenExpired        4102
    │   │   └── Revoked             4103
    │   ├── TooManyConnections  4104
    │   ├── Flooding            4105
    │   ├── BadFrame            4106
    │   ├── FrameTooLarge       4107
    │   └── InternalFault       a fault of this library
    ├── TokenUnavailable        the token provider failed; it is asked again, with backoff
    ├── ProtocolError           a gateway broke penstock.v1; the connection is dropped and made anew
    ├── SlowConsumer            a buffer with overflow="raise" was full
    └── RequestError            the gateway's answer was no: `code`, `reason`, `retry_after`
        ├── SubscribeError
        ├── HistoryError
        ├── PresenceError
        └── PublishError        also `topic` and `key`
            ├── BadRequest  Unauthenticated  Forbidden  NotFound
            ├── RateLimited  Overloaded  Unavailable        had no effect; try again after `retry_after`
            ├── TooLarge  Conflict  Internal
            └── OutcomeUnknown  it may have been done or not; repeat it with the same `key`
"""

from __future__ import annotations


class PenstockError(Exception):
    """Any error of this library."""


class InvalidArgument(PenstockError, ValueError):
    """What was given cannot be used, whatever the gateway says."""


class Misuse(PenstockError, RuntimeError):
    """Something was called in an order that cannot work."""


class ClientClosed(PenstockError):
    """The client was left; nothing more is sent or received."""


class TokenUnavailable(PenstockError):
    """The token provider failed or returned no token. It is asked again, with backoff."""


class ProtocolError(PenstockError):
    """A gateway sent what penstock.v1 does not allow. The connection is dropped and made anew."""


class SlowConsumer(PenstockError):
    """A subscription's buffer was full, and its rule is to raise. What it held was still handed out before."""


class ConnectionFailed(PenstockError):
    """The client has stopped and will not come back by itself: something must change first.

    `close_code` is the WebSocket close code that decided it, where one did.
    """

    def __init__(self, message: str, *, close_code: int | None = None) -> None:
        super().__init__(message)
        self.close_code = close_code


class Unreachable(ConnectionFailed):
    """No gateway accepted the client within `open_timeout`. The cause says what the last attempt met."""


class NotPenstock(ConnectionFailed):
    """What answers at the address refuses the WebSocket, or does not speak penstock.v1."""


class AuthenticationError(ConnectionFailed):
    """The gateway does not accept who we say we are. A token provider may raise it to stop the client."""


class NotAuthenticated(AuthenticationError):
    """No token arrived in time (4100)."""


class BadToken(AuthenticationError):
    """The token does not prove who its bearer is (4101)."""


class TokenExpired(AuthenticationError):
    """The token has expired (4102)."""


class Revoked(AuthenticationError):
    """The right to be connected was taken back (4103)."""


class TooManyConnections(ConnectionFailed):
    """The user, the address or the gateway has as many connections as it may have (4104)."""


class Flooding(ConnectionFailed):
    """The client sent more than it may, repeatedly (4105)."""


class BadFrame(ConnectionFailed):
    """The gateway could not read what we sent (4106)."""


class FrameTooLarge(ConnectionFailed):
    """The gateway takes no message as large as ours (4107)."""


class InternalFault(ConnectionFailed):
    """This library met a fault of its own. The cause has the details; please report it."""


class RequestError(PenstockError):
    """The gateway's answer was no.

    `code` is the protocol's error code, `reason` its words, `retry_after` the seconds after which a repeat is welcome.
    """

    def __init__(self, message: str, *, code: str, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.retry_after = retry_after


class SubscribeError(RequestError):
    """The gateway refuses the subscription."""


class HistoryError(RequestError):
    """The gateway does not hand out the history, or had no answer in time. Reading again is always safe."""


class PresenceError(RequestError):
    """The gateway does not say who is at a topic, or had no answer in time. Asking again is always safe."""


class PublishError(RequestError):
    """A publish was not done, or not known to be done. `key` makes a repeat safe (for 5 minutes)."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        topic: str,
        key: str,
        reason: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, reason=reason, retry_after=retry_after)
        self.topic = topic
        self.key = key


class BadRequest(PublishError):
    """The topic or the payload is not acceptable."""


class Unauthenticated(PublishError):
    """The connection is not, or no longer, authenticated."""


class Forbidden(PublishError):
    """The token holds no right to publish on this topic."""


class NotFound(PublishError):
    """There is nothing of this name."""


class RateLimited(PublishError):
    """More than this client, user or topic may publish; it had no effect."""


class Overloaded(PublishError):
    """The system is full just now; it had no effect."""


class Unavailable(PublishError):
    """The system, or the connection to it, is away just now; it had no effect."""


class TooLarge(PublishError):
    """The message is larger than may be sent."""


class Conflict(PublishError):
    """It contradicts something that was done before."""


class Internal(PublishError):
    """The gateway or a router met a fault of its own."""


class OutcomeUnknown(PublishError):
    """No answer came: it may have been done or not. A repeat with the same `key` has at most one effect."""
