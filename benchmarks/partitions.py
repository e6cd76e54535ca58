"""Which topics lead through which partition: the broker spreads events, so it is asked, by an event on each of many."""

import os
import subprocess
import sys

import pika  # type: ignore[import-untyped]

from benchmarks.processes import ROOT
from shared.bus.topology import EVENTS, route_queue
from shared.topics import PARTITIONS

TRIED = 400
"""Topics among which there is one for each partition, all but certainly."""
SILENT_SECONDS = 5.0


def one_topic_each(amqp_url: str, topic: str) -> list[str]:
    """Return a topic for each partition, made of `topic` with a number for `{}`; no router may run.

    Raises RuntimeError where the broker does not give the events back.
    """
    environment = os.environ | {"PENSTOCK_AMQP_URL": amqp_url}
    subprocess.run(
        [sys.executable, "-m", "penstock", "topology", "apply"],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(TRIED):
            channel.basic_publish(EVENTS, topic.format(number), b"{}")
        found = [_first(channel, route_queue(number)) for number in range(PARTITIONS)]
    finally:
        connection.close()
    return found


def _first(channel: pika.adapters.blocking_connection.BlockingChannel, queue: str) -> str:
    """The topic of the first event in a partition, which is emptied."""
    left = channel.queue_declare(queue, passive=True).method.message_count
    topic: str | None = None
    for method, _, _ in channel.consume(queue, inactivity_timeout=SILENT_SECONDS):
        if method is None:
            break
        topic = topic or method.routing_key
        channel.basic_ack(method.delivery_tag)
        left -= 1
        if not left:
            break
    channel.cancel()
    if topic is None or left:
        raise RuntimeError(f"{queue} did not give back the events that were sent to it; is a router running?")
    return topic
