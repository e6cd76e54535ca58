"""The run's store, lent to all workers."""

from collections.abc import Callable

from tests.support.lending import Description, Lender, Loan
from tests.support.store.errors import StoreError
from tests.support.store.node import DATABASES, Node
from tests.support.store.server import Server, asking
from tests.support.store.ways import given, started_node


def store_lender(start: Callable[[], Node] = started_node) -> Lender:
    """A lender of the store that was given, or of one that it starts."""

    def prepare() -> Loan:
        if somebodys := given():
            with asking(somebodys) as client:
                databases = int(client.config_get("databases")["databases"])
            return None, {"url": somebodys, "databases": databases}
        node = start()
        [(host, port)] = node.addresses
        return node, {"url": f"redis://{host}:{port}/0", "databases": DATABASES}

    return Lender(prepare)


def server_of(description: Description, share: int, shares: int) -> Server:
    """The store that is described; ``StoreError`` when the description is that there is none."""
    if "error" in description:
        raise StoreError(description["error"])
    return Server(description["url"], description["databases"], share, shares)
