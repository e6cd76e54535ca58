"""What can go wrong with a store for the tests."""

from tests.support.errors import Missing


class StoreError(Missing):
    """Something failed on the way to a store, or at it; the text says what, and what to do."""
