"""The ways to a server for tests, tried one after the other."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from tests.support.errors import Missing, NoWay

log = logging.getLogger(__name__)


class Startable(Protocol):
    """A server that is not started yet."""

    def start(self) -> None: ...

    def dispose(self) -> None: ...


N = TypeVar("N", bound=Startable)
W = TypeVar("W")


def of_kind(environment: Mapping[str, str], variable: str, docker: list[W], local: list[W]) -> list[W]:
    """The ways to try, of which *variable* =docker or =local leaves one kind; ``ValueError`` for another word."""
    kinds = {"": [*docker, *local], "docker": docker, "local": local}
    forced = environment.get(variable, "")
    if forced not in kinds:
        raise ValueError(f"{variable} is {forced!r}; it may be docker or local, or absent for whichever is here.")
    return kinds[forced]


def first_open(tried: Sequence[Callable[[], N]]) -> N:
    """What the first way that is open gives; ``NoWay`` with the reasons of all, in one line, where none is."""
    refusals = []
    for way in tried:
        try:
            return way()
        except NoWay as refusal:
            log.info("nothing by way of %s: %s", getattr(way, "__name__", "another way"), refusal)
            refusals.append(" ".join(str(refusal).split()))
    raise NoWay("; ".join(refusals))


def started(make: Callable[[], N]) -> N:
    """A server that serves. One that fails to start is tried once more, with other ports."""
    for last in (False, True):
        node = make()
        try:
            node.start()
        except BaseException as failure:
            node.dispose()
            if last or not isinstance(failure, Missing):
                raise
            log.warning("a second try after: %s", failure)
        else:
            return node
    raise AssertionError("the second try returns or raises")
