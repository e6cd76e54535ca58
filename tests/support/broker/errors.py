"""What can go wrong with a broker for the tests."""

from tests.support.errors import Missing, NoWay

__all__ = ["BrokerError", "NoWay"]


class BrokerError(Missing):
    """Something failed on the way to a broker, or at it; the text says what, and what to do."""
