"""docs/metrics.md, written from the catalogue ◆"""

from __future__ import annotations

from collections.abc import Mapping

from shared.telemetry.instruments import Catalogue, metric_name

_HEAD = """\
# Metrics

<!-- Written by `python -m penstock.effective`; change the catalogue (penstock/catalogue/), not this file. -->

A gateway, and `penstock up`, serve `/metrics` on their own port; a router and a worker on `PENSTOCK_METRICS_PORT`,
where it is set. The format is Prometheus text. Counters only grow from the start of the process on; gauges go up and
down.
"""

_TITLES = {
    "penstock_gateway": "Gateway",
    "penstock_port": "Port of a gateway",
    "penstock_router": "Router",
    "penstock_worker": "Worker",
    "penstock_bus": "Connection to the broker",
    "penstock_store": "Store",
    "penstock_log": "Log",
    "penstock": "Release",
    "process": "Process",
}

_NOTES = {
    "penstock_bus": "The label `bus` says whose connection it is: gateway, router or worker.\n\n",
    "penstock_store": "Of a router, and of `penstock up`; whether the store is away, the router's own metrics say.\n\n",
}


def metrics_markdown(catalogues: Mapping[str, Catalogue]) -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for prefix, catalogue in catalogues.items():
        rows = ["| metric | kind | label | what it says |", "| --- | --- | --- | --- |"]
        for field, instrument in catalogue.items():
            name, label = metric_name(prefix, field, instrument), f"`{instrument.label}`" if instrument.label else ""
            rows.append(f"| `{name}` | {instrument.kind} | {label} | {instrument.help} |")
        parts.append(f"## {_TITLES[prefix]}\n\n{_NOTES.get(prefix, '')}" + "\n".join(rows) + "\n")
    return "\n".join(parts)
