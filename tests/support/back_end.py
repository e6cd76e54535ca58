"""A back end that has learnt AMQP and never heard of Penstock: plain pika."""

from __future__ import annotations

from typing import Any

import pika

from shared.bus.topology import EVENTS

Event = tuple[str, bytes, dict[str, Any]]
"""Topic, body, and the properties of its message."""


def emit(url: str, *events: Event) -> None:
    """Publish, and wait for the confirms."""
    publish(url, *events, confirms=True).close()


def publish(url: str, *events: Event, confirms: bool) -> pika.BlockingConnection:
    """Do the same, and return the connection, open.

    Without confirms it has to stay open until the events are where they should be: RabbitMQ forgets what a channel
    has published to a quorum queue and not yet seen there when that channel closes (3.10.8, not 4.0.5).
    """
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        if confirms:
            channel.confirm_delivery()
        for topic, body, properties in events:
            channel.basic_publish(EVENTS, topic, body, pika.BasicProperties(**properties), mandatory=confirms)
    except BaseException:
        connection.close()
        raise
    return connection
