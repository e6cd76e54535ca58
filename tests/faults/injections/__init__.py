"""All faults; importing this fills the table."""

from tests.faults.injections import brokers, clients, network, poison, processes, stores

__all__ = ["brokers", "clients", "network", "poison", "processes", "stores"]
