"""Asks the store who is connected, as routers do."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from gateway.transports.sessions import described
from shared.attending import Member
from shared.clock import monotonic
from shared.store.roll import Roll, connected, together
from shared.store.valkey import open_store


async def sessions(url: str, user: str | None, limit: int) -> dict[str, Any]:
    """Return how many are connected, and at most `limit` of them; of `user` alone where one is named.

    Raises `ConfigurationError` for a URL that cannot be read, `StoreAway` where nobody answers there.
    """
    store = open_store(url)
    try:
        alive = (await store.call(Roll(0.0), monotonic())).alive
        called = await store.call(Roll(0.0, commands=connected(alive, user)), monotonic())
    finally:
        await store.close()
    found = together(called.attendances)
    listed = [Member(each.user, each.session, Raw(each.info)) for each in found.members[:limit]]
    return {"count": found.sessions, "sessions": [described(each) for each in listed]}
