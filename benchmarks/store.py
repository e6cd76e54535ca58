"""The Valkey or Redis of a run: the test suite's own."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_store() -> Iterator[str]:
    """The URL of a server made for this run, in a container where Docker answers, else the machine's own."""
    from tests.support.store.server import OwnServer  # only the figures with a store need its dependencies
    from tests.support.store.ways import started_node

    node = started_node()
    try:
        yield OwnServer(node).url
    finally:
        node.dispose()
