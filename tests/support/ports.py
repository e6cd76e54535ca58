"""Free ports on loopback, for servers that must come back on the same port after a crash."""

import random
import socket
from collections import deque
from itertools import islice

# Below the range from which systems pick the ports of outgoing connections (32768 on Linux, 49152
# elsewhere). A server that was killed leaves its port empty for a while: inside that range any
# connection could take it, even that of a client which tries it again and again, and then meets itself.
LOWEST = 20_000
HIGHEST = 32_000

_mine = range(LOWEST, HIGHEST)
_given: deque[int] = deque(maxlen=500)
"""Ports that were given out last: who got one may not have bound it yet, a program takes a second to start."""


def free_port() -> int:
    """A TCP port that nobody listens on now. Nothing reserves it: bind it soon."""
    return different_ports(1)[0]


def different_ports(count: int) -> list[int]:
    """As many free ports, no two the same."""
    tried = (port for port in random.sample(_mine, k=min(1_000, len(_mine))) if port not in _given)
    free = list(islice(filter(_can_be_bound, tried), count))
    if len(free) < count:
        raise OSError(f"up to 1,000 ports between {_mine.start} and {_mine.stop} were tried and {len(free)} are free")
    _given.extend(free)
    return free


def keep_to(share: int, shares: int) -> None:
    """Give this process only ports of its share, of so many: then what it kills finds its port free again."""
    global _mine
    size = (HIGHEST - LOWEST) // shares
    _mine = range(LOWEST + share * size, LOWEST + (share + 1) * size)


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a connection to that port is accepted."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _can_be_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
