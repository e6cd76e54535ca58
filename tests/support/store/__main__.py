"""``python -m tests.support.store``: see that the tests can have a store."""

import sys

from tests.support.provide import provide
from tests.support.store.ways import given, new_node

if __name__ == "__main__":
    sys.exit(provide("Store", given(), new_node))
