"""Every test of this folder runs on every store."""

import uuid
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from shared.store.memory import MemoryStore
from shared.store.port import Store
from shared.store.valkey import open_store


@pytest.fixture(params=["memory", "valkey", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store, as empty as on its first day."""
    store: Store
    if request.param == "memory":
        store = MemoryStore(born=monotonic())
    elif request.param == "valkey":
        store = open_store(request.getfixturevalue("store_url"))
    else:
        store = open_store(request.getfixturevalue("own_cluster").url, prefix=uuid.uuid4().hex)
    yield store
    await store.close()
