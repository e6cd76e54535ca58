"""Events on their way to a broker."""

import contextlib

from penstock.emitting import over_amqp
from penstock.emitting.event import Event


class Broker:
    """A bus that keeps what is published."""

    def __init__(self):
        self.published = []

    async def publish(self, exchange, routing_key, message, *, mandatory):
        self.published.append((exchange, routing_key, message))


async def test_an_event_leaves_its_time_to_the_router(monkeypatch):
    broker, confirmed = Broker(), []

    @contextlib.asynccontextmanager
    async def opened(amqp_url, name):
        yield broker

    monkeypatch.setattr(over_amqp, "opened", opened)
    await over_amqp.emit("amqp://broker", Event("a.b", b"1", "application/json", "k"), 1, 0, confirmed.append)
    ((exchange, routing_key, message),) = broker.published
    assert (exchange, routing_key, message.body, message.message_id) == ("penstock.events", "a.b", b"1", "k")
    assert message.timestamp is None, "AMQP's are whole seconds, and would go backwards"
    assert confirmed == ["the broker at broker:5672"]
