"""A real Valkey or Redis for the tests, found or made: given, in Docker, from the machine's own, or installed.

``python -m tests.support.store`` sees that one can be had, and says which.
"""

from tests.support.store.errors import StoreError
from tests.support.store.server import OwnCluster, OwnServer, Server

__all__ = ["OwnCluster", "OwnServer", "Server", "StoreError"]
