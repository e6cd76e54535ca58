"""Whose connection it is: the address of a client, behind proxies too ◆

``X-Forwarded-For`` is what a client wrote, and then what each proxy added on the right. It is believed only from the
right, and only as far as the proxies are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

MAX_HOPS = 32
"""Entries of the header that are looked at, from the right; behind more than that the peer counts."""

MAX_ADDRESS = 100
"""Characters that an address may have, with brackets, zone and port; no longer text is one, or is remembered."""

REMEMBERED = 4_096
"""Addresses that need not be read again: each connection asks for its own three times, and many come back at once."""

V6_PREFIX = 64
"""Bits of an IPv6 address that tell one subscriber of a network from another (RFC 6177)."""

_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]{1,5}|\[(?P<v6>[^]]+)\](?::[0-9]{1,5})?", re.ASCII)


class TrustedProxies:
    """The proxies whose word is taken: one network each. Without any, the header is never looked at."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._networks = tuple(networks)

    def client_address(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return the client's address: the rightmost one that is not a trusted proxy's.

        `peer` is whom the socket is connected to, `forwarded_for` the values of ``X-Forwarded-For`` in their order.
        It is the peer itself where that is not trusted, and where the header holds no address at the decisive place.
        """
        at_the_socket = parse(peer)
        if at_the_socket is None:
            return peer
        client: IPv4Address | IPv6Address = at_the_socket
        hops = ",".join(forwarded_for).rsplit(",", MAX_HOPS) if forwarded_for else []
        while self._trusts(client):
            if not hops:
                break  # all of them are ours: the first of them asks for itself
            before = parse(hops.pop().strip())
            if before is None:
                return str(at_the_socket)
            client = before
        return str(client)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in `text`, which may have a port or brackets; None where there is none.

    An IPv4 address that is mapped into IPv6 (RFC 4291, section 2.5.5.2) is that IPv4 address.
    """
    return _parse(text) if len(text) <= MAX_ADDRESS else None


@lru_cache(REMEMBERED)
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    if match := _WITH_PORT.fullmatch(text):
        text = match["v4"] or match["v6"]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def counted_as(address: str) -> str:
    """Return under which name connections from `address` are counted: an IPv6 client has a whole /64 to choose from."""
    return _counted_as(address) if len(address) <= MAX_ADDRESS else address


@lru_cache(REMEMBERED)
def _counted_as(address: str) -> str:
    parsed = parse(address)
    if not isinstance(parsed, IPv6Address):
        return address if parsed is None else str(parsed)
    return str(IPv6Network((parsed.packed[: V6_PREFIX // 8] + bytes(16 - V6_PREFIX // 8), V6_PREFIX)))
