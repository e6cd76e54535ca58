"""All faults; importing this fills the table."""

from tests.faults.injections import (
    brokers,
    clients,
    consumers,
    disks,
    exchanges,
    graveyard,
    issuers,
    letters,
    network,
    poison,
    processes,
    stores,
)

__all__ = [
    "brokers",
    "clients",
    "consumers",
    "disks",
    "exchanges",
    "graveyard",
    "issuers",
    "letters",
    "network",
    "poison",
    "processes",
    "stores",
]
