"""When a publisher sends: evenly, catching up when it was late."""

import time
from collections.abc import Iterator


def ticks(rate: float, seconds: float) -> Iterator[int]:
    """Yield 0, 1, 2, … at `rate` a second for `seconds`."""
    assert rate > 0
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        wait = began + number / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield number
