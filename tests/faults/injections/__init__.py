"""All faults; importing this fills the table."""

from tests.faults.injections import brokers, clients, crowds, long, losses, machine, network, poison, processes, stores

__all__ = [
    "brokers",
    "clients",
    "crowds",
    "long",
    "losses",
    "machine",
    "network",
    "poison",
    "processes",
    "stores",
]
