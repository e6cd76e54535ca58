"""Every metric of Penstock: what the counters of each program mean, for `/metrics` and for docs/metrics.md ◆"""

from __future__ import annotations

from penstock.catalogue.bus import BUS
from penstock.catalogue.gateway import GATEWAY, PORT
from penstock.catalogue.store import STORE
from router.counters import ROUTER
from shared.telemetry.instruments import Catalogue, gauge
from shared.telemetry.logs import LOG
from shared.telemetry.process import PROCESS
from workers.counters import WORKER

__all__ = ["BUILD", "BUS", "GATEWAY", "LOG", "PORT", "PROCESS", "ROUTER", "STORE", "WORKER", "by_prefix"]

BUILD: Catalogue = {"build_info": gauge("Always 1; the label says what runs.", by="version")}


def by_prefix() -> dict[str, Catalogue]:
    """Return all catalogues, by the beginning of their metrics' names."""
    return {
        "penstock_gateway": GATEWAY,
        "penstock_port": PORT,
        "penstock_router": ROUTER,
        "penstock_worker": WORKER,
        "penstock_bus": BUS,
        "penstock_store": STORE,
        "penstock_log": LOG,
        "penstock": BUILD,
        "process": PROCESS,
    }
