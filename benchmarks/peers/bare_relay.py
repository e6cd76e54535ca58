"""The least that a way over RabbitMQ can cost: exchange → quorum queue → exchange → classic queue → WebSocket.

Both hops in one process with bare aiormq, one message at a time, the second one confirmed before the first is
acknowledged. No batches, no partitions, no rights. Run as `python -m benchmarks.peers.bare_relay PORT URL`.
"""

import asyncio
import sys

import aiormq
import uvloop
from aiormq.abc import DeliveredMessage

from benchmarks.peers.bare_asyncio import Peek, Topic

EXCHANGE = "bare.events"
WORK = "bare.work"
PREFETCH = 500


async def relay(url: str, topic: Topic) -> tuple[aiormq.Connection, ...]:
    """Declare both hops and start consuming; returns the connections, which must be kept."""
    incoming, outgoing = aiormq.Connection(url), aiormq.Connection(url)
    await asyncio.gather(incoming.connect(), outgoing.connect())
    intake, sender, receiver = (
        await incoming.channel(publisher_confirms=False),
        await outgoing.channel(),
        await incoming.channel(publisher_confirms=False),
    )
    await intake.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)
    await intake.queue_declare(WORK, durable=True, arguments={"x-queue-type": "quorum"})
    await intake.queue_bind(WORK, EXCHANGE, "#")
    gateway = await receiver.queue_declare(exclusive=True, arguments={"x-queue-type": "classic"})
    assert gateway.queue

    async def forward(message: DeliveredMessage) -> None:
        assert message.delivery_tag is not None
        await sender.basic_publish(message.body, routing_key=gateway.queue or "")
        await intake.basic_ack(message.delivery_tag, wait=False)

    async def deliver(message: DeliveredMessage) -> None:
        topic.publish(message.body)

    await intake.basic_qos(prefetch_count=PREFETCH)
    await receiver.basic_consume(gateway.queue, deliver, no_ack=True)
    await intake.basic_consume(WORK, forward)
    return incoming, outgoing


async def serve(port: int, url: str) -> None:
    loop = asyncio.get_running_loop()
    topic = Topic(loop)
    connections = await relay(url, topic)
    server = await loop.create_server(lambda: Peek(topic), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()
    assert connections


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
