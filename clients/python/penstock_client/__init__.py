"""Client for Penstock: publish, and follow topics and patterns over one WebSocket that mends itself."""

from . import errors
from .client import Client
from .counters import Counters
from .errors import PenstockError
from .iterator import Subscription
from .messages import Gap, History, Message, Position, Receipt
from .presence import Joined, Left, Member, Presence
from .settings import Settings
from .states import State
from .version import __version__

__all__ = [
    "Client",
    "Counters",
    "Gap",
    "History",
    "Joined",
    "Left",
    "Member",
    "Message",
    "PenstockError",
    "Position",
    "Presence",
    "Receipt",
    "Settings",
    "State",
    "Subscription",
    "__version__",
    "errors",
]
