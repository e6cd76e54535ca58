"""All that is known of one client at a moment, and the two changes that everyone who decides may make ◆"""

from __future__ import annotations

from .counters import Counters
from .effects import Close, Effect, StateChanged
from .link import Link
from .outbox import Outbox
from .renewal import Renewal
from .requests import Requests
from .settings import Settings
from .states import ONLINE, State, advance
from .subscriptions import Subscriptions


class Life:
    """One client: its state, its present connection, its requests, outbox, subscriptions and token."""

    def __init__(self, settings: Settings, token: str | None, *, renewable: bool) -> None:
        self.settings = settings
        self.counters = Counters()
        self.state = State.IDLE
        self.link: Link | None = None
        self.requests = Requests()
        self.subscriptions = Subscriptions(self.requests, settings, self.counters)
        self.outbox = Outbox(self.requests, settings, self.counters)
        self.renewal = Renewal(token, renewable=renewable)

    @property
    def online(self) -> bool:
        """Whether requests can be sent: authenticated, and not about to leave."""
        return self.state in ONLINE and self.link is not None and not self.link.leaving

    def enter(self, state: State) -> StateChanged:
        """Change state, by the table; raises `Misuse` for a transition that is not in it."""
        self.state = advance(self.state, state)
        return StateChanged(state)

    def leave(self, code: int, reason: str) -> list[Effect]:
        """End the present connection, once; that it is lost will be told later."""
        if self.link is None or self.link.leaving:
            return []
        self.link.leaving = True
        return [Close(code, reason)]
