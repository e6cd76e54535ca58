"""See that the tests can have a server: fetch its image or install its package now, and say which it is.

Before the tests, so that a download of minutes does not count as the time of the test that comes first.
"""

import logging
import sys
from collections.abc import Callable

from tests.support.errors import Missing
from tests.support.ways import Startable


def provide(what: str, somebodys: str | None, new_node: Callable[[], Startable]) -> int:
    """Print one line; 1 when there is no way. `somebodys` is the URL of a server that somebody else runs."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if somebodys:
        print(f"{what} for the tests: the one at {somebodys.rpartition('@')[2]}")
        return 0
    try:
        node = new_node()
    except Missing as nothing:
        print(nothing, file=sys.stderr)
        return 1
    node.dispose()
    print(f"{what} for the tests: {node}")
    return 0
