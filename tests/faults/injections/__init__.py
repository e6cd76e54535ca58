"""All faults; importing this fills the table."""

from tests.faults.injections import (
    brokers,
    clients,
    consumers,
    crowds,
    disks,
    exchanges,
    graveyard,
    issuers,
    letters,
    long,
    losses,
    machine,
    network,
    poison,
    processes,
    stores,
)

__all__ = [
    "brokers",
    "clients",
    "consumers",
    "crowds",
    "disks",
    "exchanges",
    "graveyard",
    "issuers",
    "letters",
    "long",
    "losses",
    "machine",
    "network",
    "poison",
    "processes",
    "stores",
]
