"""The composition root: reads the settings, once, and makes of them what programs are put together from."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from penstock.complaints import sentences, unreadable
from penstock.lookup import toml_file
from router.settings import RouterSettings
from shared.bus import topology
from shared.bus.counters import BusCounters
from shared.bus.memory import MemoryBroker, MemoryBus
from shared.bus.port import Bus
from shared.clock import monotonic
from shared.errors import BusAway, ConfigurationError, StoreAway
from shared.settings import CommonSettings
from shared.store.memory import MemoryStore
from shared.store.port import Store

log = logging.getLogger(__name__)

Settings = TypeVar("Settings", bound=CommonSettings)


def load(kind: type[Settings], options: Mapping[str, Any] | None = None) -> Settings:
    """Return one program's settings; `options`, from the command line, go before the environment and the file.

    An option that is None was not given. Raises `ConfigurationError` with one sentence per wrong setting.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None and name in kind.model_fields}
    toml_file()  # a broken file is told by its name and place
    try:
        return kind(**given)
    except ValidationError as error:
        raise ConfigurationError(sentences(error, kind, given)) from error
    except ValueError as error:  # what pydantic-settings says of JSON that it cannot read; it names the field
        raise ConfigurationError(unreadable(error)) from error


class CountedBus(Bus, Protocol):
    """A bus that counts what it does."""

    counters: BusCounters


class OpenStore:
    """A store as the last thing of a router's life."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def start(self) -> None:
        """Ask it something, so that a wrong password stops the start (`ConfigurationError`), now and not later.

        One that is away is told, and waited for by whoever needs it: it comes back by itself.
        """
        try:
            await self._store.recent(0.0, monotonic())
            await self._store.age(monotonic())  # counted from the first time that somebody asks
        except StoreAway as away:
            log.warning("%s Routers wait for it.", away, extra={"event": "store.away"})

    async def stop(self) -> None:
        """Let go of it."""
        await self._store.close()


class OpenBus:
    """A bus as the first and last thing of a service's life."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def start(self) -> None:
        """Connect, and have what every process has on the broker; raise `ConfigurationError` where that cannot be.

        The bus is told first: what it remembers it has before it says that it is ready, so that one which cannot work
        never says so.
        """
        with contextlib.suppress(BusAway):  # it is not open yet, and remembers it
            await self._bus.declare(topology.common())
        await self._bus.open()

    async def stop(self) -> None:
        """Disconnect."""
        await self._bus.close()


def make_bus(settings: CommonSettings, broker: MemoryBroker | None, name: str) -> CountedBus:
    """Return a bus of its own for one service: to RabbitMQ where there is a URL, else to `broker` in this process.

    Raises `ConfigurationError` where there is neither.
    """
    if settings.amqp_url is not None:
        from shared.bus.amqp import AmqpBus  # its client library is loaded only where it is used

        return AmqpBus(settings.amqp_url.get_secret_value(), name)
    if broker is None:
        raise ConfigurationError(
            f"A {name} of its own needs RabbitMQ: set PENSTOCK_AMQP_URL or give --amqp-url (the memory bus ends with "
            "its process, so nobody would hear it). For everything in one process use `penstock up`."
        )
    return MemoryBus(broker, name)


def make_store(settings: RouterSettings, name: str | None = None) -> Store:
    """Return the store of one router: Valkey or Redis where there is a URL, else in the memory of this process.

    `name` is that of a program in a process of its own, beside which others may run: memory is not enough for it.
    Raises `ConfigurationError` there without a URL, and for a URL that cannot be read.
    """
    if settings.store_url is not None:
        from shared.store.valkey import open_store  # its client library is loaded only where it is used

        return open_store(settings.store_url.get_secret_value())
    if name is not None:
        raise ConfigurationError(
            f"A {name} of its own needs Valkey or Redis: set PENSTOCK_STORE_URL or give --store-url (logs, keys and "
            "rates in memory end with their process, and no other router would know them). For everything in one "
            "process use `penstock up`."
        )
    return MemoryStore(settings.max_limit_keys, born=monotonic())
