"""One program in a process of its own: its bus, itself, and where it tells how it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from penstock.cli.exits import Exit
from penstock.composition import CountedBus, OpenBus, make_bus
from penstock.measuring import measured
from penstock.process import run_services
from penstock.settings import ProcessSettings
from shared.health import Answer, readyz_behind
from shared.lifecycle import Service
from shared.telemetry.endpoint import Endpoint
from shared.telemetry.logs import LogCounters


class Counting(Service, Protocol):
    """A service that counts."""

    @property
    def counters(self) -> object:
        """Return its counters, a dataclass."""


class Edge(Counting, Protocol):
    """A gateway."""

    @property
    def port_counters(self) -> object:
        """Return what its port counts, a dataclass."""


class Behind(Counting, Protocol):
    """A program without clients, and so without an HTTP port."""

    @property
    def healthy(self) -> bool:
        """Say whether it does its work."""


class Leaving:
    """The last to start and the first to stop: from then on the process is on its way out."""

    def __init__(self) -> None:
        self.begun = False

    async def start(self) -> None:
        """Do nothing yet."""

    async def stop(self) -> None:
        """Note that the end has begun."""
        self.begun = True


def run_gateway(settings: ProcessSettings, make: Callable[[CountedBus, Callable[[], bytes]], Edge]) -> Exit:
    """Run a gateway until a signal comes; `make` is given a bus, and what returns the process's metrics."""

    def services(log: LogCounters) -> Sequence[Service]:
        bus = make_bus(settings, None, "gateway")
        gateway = make(bus, lambda: metrics.prometheus())
        metrics = measured({"gateway": gateway.counters, "port": gateway.port_counters}, {"gateway": bus}, log)
        return OpenBus(bus), gateway

    return run_services(settings, services)


def run_behind(
    name: str,
    settings: ProcessSettings,
    make: Callable[[CountedBus], Behind],
    before: Sequence[Service] = (),
    counters: Mapping[str, object] = MappingProxyType({}),
    guard: Callable[[CountedBus, Service], Sequence[Service]] = lambda bus, program: (program,),
) -> Exit:
    """Run a router or a worker until a signal comes; `make` is given a bus.

    What comes `before` is started first and stopped last; `counters` are what it counts, by name. `guard` returns the
    program and who looks out for it, in the order of their start. Where ``metrics_port`` is set the process serves its
    metrics and its health there, from its first moment to its last.
    """

    def services(log: LogCounters) -> Sequence[Service]:
        bus = make_bus(settings, None, name)
        program, leaving = make(bus), Leaving()
        parts: list[Service] = [*before, OpenBus(bus), *guard(bus, program), leaving]
        if settings.metrics_port is not None:

            def ready() -> Answer:
                return readyz_behind(bus=bus.state.value, working=program.healthy, draining=leaving.begun,
                    store_away=getattr(program, "store_away", False))

            metrics = measured({name: program.counters, **counters}, {name: bus}, log)
            parts.insert(0, Endpoint(settings.metrics_host, settings.metrics_port, metrics, ready))
        return parts

    return run_services(settings, services)
