"""Penstock with a mistake: a router raises on any event whose payload holds `FAULT`.

``python -m tests.faults.raising router`` is ``python -m penstock router`` but for that; the product has no such door.
"""

from __future__ import annotations

from penstock.__main__ import main
from router.payloads import Payloads
from shared.envelopes import Encoding

FAULT = b"a fault of ours"

_check = Payloads.check


def _check_and_raise(self: Payloads, payload: bytes, encoding: Encoding) -> None:
    if FAULT in payload:
        raise ZeroDivisionError(FAULT)
    _check(self, payload, encoding)


if __name__ == "__main__":
    Payloads.check = _check_and_raise  # type: ignore[method-assign]
    main()
