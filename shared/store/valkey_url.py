"""The URL of a store, read ◆

::

    redis://[user:password@]host[:6379][/db]                       one server
    redis+sentinel://[…]host[:26379],host,…/service[/db]           whichever server Sentinel calls the master
    redis+cluster://[…]host[:6379],host,…                          a Cluster, met at any of these

`valkey` may be written for `redis`; `rediss` and `valkeys` speak TLS. Options, after a `?`: `ssl_ca_certs`,
`ssl_certfile`, `ssl_keyfile` (files), `ssl_check_hostname=no`, and `sentinel_username`, `sentinel_password` where the
Sentinels ask for some of their own. User and password are percent-encoded where need be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.errors import ConfigurationError

SERVER_PORT, SENTINEL_PORT = 6379, 26379

_TLS = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SENTINELS = ("sentinel_username", "sentinel_password")
_SHAPE = "write redis://host/db, redis+sentinel://host,host/service/db or redis+cluster://host,host"


class Kind(Enum):
    """How many servers there are, and who says which is asked."""

    SINGLE = ""
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """Where a store is, and how to be let in."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    db: int = 0
    service: str = ""
    """The name that the Sentinels know the master by."""
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def files(self) -> dict[str, str]:
        """Return the files that TLS needs, by the names of their options."""
        return {name: path for name, path in self.options.items() if name in _FILES}

    @property
    def where(self) -> str:
        """Return what may be shown to people: no user, no password."""
        hosts = ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"{self.service} by way of {hosts}" if self.service else hosts


def parse(url: str) -> StoreUrl:
    """Read `url`; raise `ConfigurationError` with what is wrong with it, without the password."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _wrong(str(error)) from None
    base, plus, what = parts.scheme.partition("+")
    if base not in _TLS or what not in {kind.value for kind in Kind} or (plus and not what):
        raise _wrong(f"the scheme {parts.scheme!r} is unknown")
    kind = Kind(what)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    service, db = _path(kind, [unquote(part) for part in parts.path.strip("/").split("/") if part])
    return StoreUrl(
        kind,
        tuple(_host(host, SENTINEL_PORT if kind is Kind.SENTINEL else SERVER_PORT) for host in _hosts(kind, hosts)),
        _TLS[base],
        unquote(username) or None,
        unquote(password) or None,
        db,
        service,
        _options(kind, parts.query),
    )


def _hosts(kind: Kind, text: str) -> list[str]:
    hosts = [host for host in text.split(",") if host]
    if not hosts:
        raise _wrong("it names no host")
    if kind is Kind.SINGLE and len(hosts) > 1:
        raise _wrong("it names several hosts")
    return hosts


def _host(text: str, usual: int) -> tuple[str, int]:
    name, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        name, port = text, str(usual)
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536 or not name:
        raise _wrong(f"{text!r} is not a host and a port")
    return name.removeprefix("[").removesuffix("]"), int(port)


def _path(kind: Kind, parts: list[str]) -> tuple[str, int]:
    service = ""
    if kind is Kind.SENTINEL:
        if not parts:
            raise _wrong("it names no service")
        service, *parts = parts
    if len(parts) > 1 or (parts and not (parts[0].isascii() and parts[0].isdigit())):
        raise _wrong(f"{'/'.join(parts)!r} is not the number of a database")
    db = int(parts[0]) if parts else 0
    if kind is Kind.CLUSTER and db:
        raise _wrong("a Cluster has database 0 alone")
    return service, db


def _options(kind: Kind, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = {*_FILES, "ssl_check_hostname", *(_SENTINELS if kind is Kind.SENTINEL else ())}
    if unknown := sorted(set(options) - known):
        raise _wrong(f"the option {unknown[0]!r} is unknown")
    if options.get("ssl_check_hostname", "yes") not in ("yes", "no"):
        raise _wrong("ssl_check_hostname is yes or no")
    return options


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"PENSTOCK_STORE_URL cannot be read: {what}; {_SHAPE}.")
