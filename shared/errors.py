"""The tree of errors ◆

::

    PenstockError
    ├── ConfigurationError          the operator's: the start stops with its message
    │   ├── TopologyMismatch        the broker holds a queue or exchange of our name and another shape
    │   └── MissingPlugin           the broker lacks a plugin we cannot do without
    ├── BusError                    the bus could not take a message or an order
    │   ├── BusAway                 no connection; comes back by itself
    │   │   └── QueueTaken          another connection has a queue of this name to itself
    │   ├── BusBlocked              the broker holds publishers back (an alarm)
    │   ├── PublishRefused          the broker said no (nack): a queue on the way is full
    │   ├── Unroutable              no queue was bound for a message that must have one (return)
    │   └── ConfirmTimeout          no word from the broker in time; the outcome is unknown
    ├── StoreAway                   the store cannot be reached; comes back by itself
    │   └── StoreUnsure             it was lost while it was asked: what was asked is done or not
    ├── MalformedEnvelope           what came over the bus cannot be read
    └── TokenRefused                a token does not prove who its bearer is
"""

from __future__ import annotations


class PenstockError(Exception):
    """Any error of ours."""


class ConfigurationError(PenstockError):
    """A setting, or what a setting points to, cannot work."""


class TopologyMismatch(ConfigurationError):
    """The broker holds an exchange or a queue of our name and another shape."""


class MissingPlugin(ConfigurationError):
    """The broker lacks a plugin that the topology needs."""


class BusError(PenstockError):
    """The bus could not take a message or an order."""


class BusAway(BusError):
    """There is no connection to the broker just now."""


class QueueTaken(BusAway):
    """Another connection has a queue of this name to itself; it goes with that one."""


class BusBlocked(BusError):
    """The broker holds publishers back: it has raised a memory or disk alarm."""


class PublishRefused(BusError):
    """The broker refused the message (basic.nack): a queue on its way is full."""


class Unroutable(BusError):
    """No queue was bound for a message that must reach one (basic.return)."""


class ConfirmTimeout(BusError):
    """The broker's confirm did not come in time: the message may have been taken or not."""


class StoreAway(PenstockError):
    """The store cannot be reached just now."""


class StoreUnsure(StoreAway):
    """The store was lost while it was asked: what was asked of it is done or not."""


class MalformedEnvelope(PenstockError):
    """What came over the bus cannot be read."""


class TokenRefused(PenstockError):
    """A token does not prove who its bearer is.

    `expired` tells a token that was good once from one that never was.
    """

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.expired = expired
