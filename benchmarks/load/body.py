"""The payload of every benchmark message: JSON of an exact size, with the sender's clock in it."""

import time


def body(size: int) -> bytes:
    """JSON of `size` bytes (at least 32) that begins with the time of sending: CLOCK_MONOTONIC in nanoseconds.

    The clock is the machine's own, so sender and receiver share it.
    """
    head = f'{{"t":{time.monotonic_ns()},"pad":"'
    return f'{head}{"x" * (size - len(head) - 2)}"}}'.encode()
