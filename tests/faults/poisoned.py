"""Penstock with a mistake: a router crashes, by a signal, of any event whose payload holds `POISON`.

``python -m tests.faults.poisoned router`` is ``python -m penstock router`` but for that; the product has no such door.
"""

from __future__ import annotations

import os
import resource
import signal

from penstock.__main__ import main
from router.payloads import Payloads
from shared.envelopes import Encoding

POISON = b"poison"

_check = Payloads.check


def _check_and_crash(self: Payloads, payload: bytes, encoding: Encoding) -> None:
    if POISON in payload:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), signal.SIGSEGV)
    _check(self, payload, encoding)


if __name__ == "__main__":
    Payloads.check = _check_and_crash  # type: ignore[method-assign]
    main()
