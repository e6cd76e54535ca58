"""A fault that needs libfaketime says so where there is none, and does not pass."""

from __future__ import annotations

import pytest

from tests.support import faketime
from tests.support.errors import Missing


def test_without_libfaketime_nobody_gets_a_clock_and_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faketime, "_find", lambda: None)
    monkeypatch.delenv(faketime.MAY_INSTALL, raising=False)
    with pytest.raises(Missing, match="was not run, as it needs libfaketime: install it"):
        faketime.library.__wrapped__()
