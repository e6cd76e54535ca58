"""A router as a process of its own that dies, by kill -9, of the event whose body is ``"deadly"``.

The folder it runs in has no settings; the URLs of its broker and of its store are its arguments.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from router.app import Router
from router.pipeline import Pipeline
from router.settings import RouterSettings
from shared.bus.amqp import AmqpBus
from shared.store.valkey import open_store
from tests.unit.router.builders import SECRET

DEADLY = b'"deadly"'
plan = Pipeline.plan


def die_of_it(self, batch, now):
    batch = list(batch)
    if any(received.body == DEADLY for received in batch):
        os.kill(os.getpid(), signal.SIGKILL)
    return plan(self, batch, now)


async def main(amqp_url, store_url):
    bus = AmqpBus(amqp_url, "dying router")
    await bus.open()
    router = Router(RouterSettings(auth={"secret": SECRET}), bus, open_store(store_url), name="router")
    await router.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    Pipeline.plan = die_of_it
    asyncio.run(main(*sys.argv[1:]))
