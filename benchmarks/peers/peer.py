"""What the figures need of a server under test."""

from typing import Protocol, Self

from benchmarks.load.generator import Door


class Peer(Protocol):
    """A context manager that runs a server; the same load goes to all peers of a figure."""

    name: str

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def door(self, topic: str) -> Door:
        """How a client gets in and subscribes to `topic`."""

    def publisher(self, topic: str) -> list[str]:
        """The module and arguments (after `python -m`) that publish to `topic`; rate, seconds and size are added."""

    def roles(self) -> dict[str, list[int]]:
        """Role → process ids. The first role is the one that holds the connections."""
