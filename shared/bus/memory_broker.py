"""The memory broker as buses see it: it runs, is blocked or is away, and calls them from the event loop."""

from __future__ import annotations

import asyncio
from typing import Protocol

from shared.bus.memory_core import Broker
from shared.bus.memory_intake import Reader


class Member(Protocol):
    """A bus, as its broker calls it."""

    def lose(self, cause: str) -> None:
        """Have lost the connection."""

    def come_back(self) -> None:
        """Connect, where there is no connection."""

    def hear_alarm(self) -> None:
        """Look at the broker's alarm."""

    def settle(self) -> None:
        """Tell publishers what came of their messages."""


class MemoryBroker:
    """What several buses share. It can be stopped, started and blocked, as a real one can."""

    def __init__(self) -> None:
        self.core = Broker(self.wake)
        self.running = True
        self.alarm: str | None = None
        self._buses: dict[Member, None] = {}
        self._awake = False

    def add(self, bus: Member) -> None:
        """Let `bus` know when the broker comes, goes or holds publishers back."""
        self._buses[bus] = None

    def remove(self, bus: Member) -> None:
        """Tell `bus` no more."""
        self._buses.pop(bus, None)

    def stop(self) -> None:
        """Be gone. Durable messages stay, exclusive queues and what is not durable do not."""
        self.running = False
        for bus in list(self._buses):
            bus.lose("the broker stopped")
        self.core.forget_transient()

    def start(self) -> None:
        """Be back; the buses come by themselves."""
        self.running = True
        self.wake()

    def block(self, reason: str = "low on memory") -> None:
        """Hold publishers back; deliveries go on."""
        self._set_alarm(reason)

    def unblock(self) -> None:
        """Take messages again."""
        self._set_alarm(None)

    def wake(self) -> None:
        """Have a turn soon."""
        if not self._awake:
            self._awake = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _set_alarm(self, reason: str | None) -> None:
        self.alarm = reason
        for bus in list(self._buses):
            bus.hear_alarm()

    def _turn(self) -> None:
        self._awake = False
        for bus in list(self._buses):
            bus.settle()
        if self.running:
            for bus in list(self._buses):
                bus.come_back()
        for handed in self.core.turn():
            assert isinstance(handed.consumer, Reader)  # nobody else consumes here
            handed.consumer.intake.hand(handed)
