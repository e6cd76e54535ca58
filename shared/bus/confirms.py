"""Futures of confirms."""

from __future__ import annotations

from asyncio import Future

from shared.errors import BusError


def fail(future: Future[None], error: BusError) -> None:
    """Let `future` end with `error`, where it has not ended yet."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # whoever does not ask is not reproached for it by the event loop
