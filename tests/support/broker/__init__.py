"""A real RabbitMQ for the tests, found or made: given, in Docker, from the machine's own, or installed.

``python -m tests.support.broker`` sees that one can be had, and says which.
"""

from tests.support.broker.broker import Broker, Vhost
from tests.support.broker.errors import BrokerError
from tests.support.broker.own import OwnBroker

__all__ = ["Broker", "BrokerError", "OwnBroker", "Vhost"]
