"""Exposes what the services of a process count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.catalogue import BUILD, BUS, LOG, PROCESS, by_prefix
from penstock.composition import CountedBus
from penstock.release import release
from shared.telemetry.logs import LogCounters
from shared.telemetry.metrics import Metrics
from shared.telemetry.process import ProcessCounters


@dataclass(slots=True)
class Build:
    """What runs."""

    build_info: dict[str, int] = field(default_factory=lambda: {release(): 1})


def measured(counters: Mapping[str, object], buses: Mapping[str, CountedBus], log: LogCounters) -> Metrics:
    """Return the metrics of a process: of its services' `counters` and of their `buses`, both by name, and its own."""
    metrics, process = Metrics(), ProcessCounters()
    catalogues = by_prefix()
    for name, counted in counters.items():
        metrics.observe(f"penstock_{name}", counted, catalogues[f"penstock_{name}"])
    metrics.observe_each("penstock_bus", "bus", {name: bus.counters for name, bus in buses.items()}, BUS)
    metrics.observe("penstock_log", log, LOG)
    metrics.observe("penstock", Build(), BUILD)
    metrics.observe("process", process, PROCESS, before=process.refresh)
    return metrics
