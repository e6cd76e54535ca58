"""All faults; importing this fills the table."""

from tests.faults.injections import (
    brokers,
    clients,
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
    "exchanges",
    "graveyard",
    "issuers",
    "letters",
    "network",
    "poison",
    "processes",
    "stores",
]
