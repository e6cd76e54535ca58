"""``python -m tests.support.broker``: see that the tests can have a broker."""

import sys

from tests.support.broker.ways import given, new_node
from tests.support.provide import provide

if __name__ == "__main__":
    somebodys = given()
    sys.exit(provide("RabbitMQ", somebodys and somebodys[0], new_node))
