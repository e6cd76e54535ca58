"""The state of a bus, and who wants to hear of its changes."""

from __future__ import annotations

import logging

from shared.bus.port import BusState, Watcher

log = logging.getLogger(__name__)


class States:
    """One line of the log and one call of every watcher per change of state, none for a repeated one."""

    def __init__(self, name: str) -> None:
        self.now = BusState.AWAY
        self.name = name
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` on each change from now on."""
        self._watchers.append(watcher)

    def close(self) -> None:
        """Be away for good, as asked."""
        self.change(BusState.AWAY, "closed", logging.INFO)

    def change(self, state: BusState, cause: str, level: int = logging.WARNING) -> None:
        """Go to `state`, and tell why; do nothing where it is the state already."""
        if state is self.now:
            return
        self.now = state
        log.log(
            logging.INFO if state is BusState.READY else level,
            "bus %s is %s: %s", self.name, state.value, cause,
        )  # fmt: skip
        for watcher in self._watchers:
            try:
                watcher(state, cause)
            except Exception:
                log.exception("a watcher of bus %s raised", self.name)
