"""What can go wrong with a broker for the tests."""


class BrokerError(Exception):
    """Something failed on the way to a broker, or at it; the text says what, and what to do."""


class NoWay(BrokerError):
    """This way of getting a broker is not open here; the next one may be."""
