"""See that the tests can have a store: fetch the image or install the package now, and say which it is.

Before the tests, so that a download of minutes does not count as the time of the test that comes first.
"""

import logging
import os
import sys

from tests.support.store.errors import StoreError
from tests.support.store.ways import given, new_node


def main() -> int:
    """Print one line; 1 when there is no way."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if somebodys := given(os.environ):
        print(f"Store for the tests: the one at {somebodys.rpartition('@')[2]}")
        return 0
    try:
        node = new_node()
    except StoreError as nothing:
        print(nothing, file=sys.stderr)
        return 1
    node.dispose()
    print(f"Store for the tests: {node}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
