"""The fixtures are what they say: a real RabbitMQ, a place of one's own in it, and one that may die."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pika
import pika.exceptions
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.support.broker import Broker, BrokerError, OwnBroker, Vhost
from tests.support.broker.node import amqp_answers
from tests.support.eventually import wait_until

DURABLE = pika.BasicProperties(delivery_mode=2)
QUORUM = {"x-queue-type": "quorum"}


@contextmanager
def channel_to(amqp_url: str, name: str = "a test") -> Iterator[BlockingChannel]:
    parameters = pika.URLParameters(amqp_url)
    parameters.client_properties = {"connection_name": name}
    connection = pika.BlockingConnection(parameters)
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel
    finally:
        if connection.is_open:
            connection.close()


def test_quorum_queues_and_modulus_hash_exchanges_carry_confirmed_messages(vhost: Vhost) -> None:
    with channel_to(vhost.amqp_url) as channel:
        channel.exchange_declare("spread", "x-modulus-hash", durable=True)
        for part in ("left", "right"):
            channel.queue_declare(part, durable=True, arguments=QUORUM)
            channel.queue_bind(part, "spread", routing_key="10")
        for number in range(20):
            channel.basic_publish("spread", f"topic.{number}", b"%d" % number, DURABLE, mandatory=True)

        bodies = set()
        for part in ("left", "right"):
            mine = iter(lambda part=part: channel.basic_get(part, auto_ack=True)[2], None)  # type: ignore[misc]
            arrived = set(mine)
            assert arrived
            bodies |= arrived
        assert bodies == {b"%d" % number for number in range(20)}


def test_a_virtual_host_shows_what_is_in_it(vhost: Vhost) -> None:
    assert (vhost.queues(), vhost.exchanges(), vhost.bindings()) == ([], [], [])
    with channel_to(vhost.amqp_url) as channel:
        channel.exchange_declare("door", "topic", durable=True)
        channel.queue_declare("room", durable=True, arguments=QUORUM)
        channel.queue_bind("room", "door", "a.#")
        channel.basic_publish("door", "a.b", b"in", DURABLE, mandatory=True)

        assert [row["name"] for row in vhost.exchanges()] == ["door"]
        assert [(row["source"], row["destination"], row["routing_key"]) for row in vhost.bindings()] == [
            ("door", "room", "a.#")
        ]
        wait_until(lambda: [(row["name"], row.get("messages")) for row in vhost.queues()] == [("room", 1)])


def test_two_virtual_hosts_do_not_see_each_other(broker: Broker, vhost: Vhost) -> None:
    other = broker.create_vhost()
    try:
        with channel_to(vhost.amqp_url) as channel:
            channel.queue_declare("mine", durable=True, arguments=QUORUM)
        assert [row["name"] for row in vhost.queues()] == ["mine"]
        assert other.queues() == []
    finally:
        broker.delete_vhost(other)


def test_a_virtual_host_closes_the_connections_of_the_name_it_is_told(vhost: Vhost) -> None:
    with channel_to(vhost.amqp_url, "spared") as spared, channel_to(vhost.amqp_url, "struck") as struck:
        wait_until(lambda: vhost.close_connections("enough", named="struck") == 1)
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="enough") as closed:
            struck.connection.process_data_events(time_limit=5)
        assert closed.value.reply_code == 320
        spared.queue_declare("in-time", durable=True, arguments=QUORUM)


def test_rabbitmqctl_speaks_to_the_shared_broker(broker: Broker, vhost: Vhost) -> None:
    if os.environ.get("PENSTOCK_TEST_AMQP_URL"):
        with pytest.raises(BrokerError, match="not ours to control"):
            broker.ctl("list_vhosts")
    else:
        assert vhost.name in broker.ctl("-q", "list_vhosts").split()


def test_a_confirmed_durable_message_outlives_kill_9(own_broker: OwnBroker) -> None:
    with channel_to(own_broker.amqp_url) as channel:
        channel.queue_declare("kept", durable=True, arguments=QUORUM)
        channel.basic_publish("", "kept", b"still here", DURABLE, mandatory=True)
        own_broker.kill()
        with pytest.raises(pika.exceptions.AMQPError):
            channel.basic_publish("", "kept", b"to nobody", DURABLE, mandatory=True)

    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(pika.URLParameters(own_broker.amqp_url))

    own_broker.start()
    with channel_to(own_broker.amqp_url) as channel:
        wait_until(lambda: channel.basic_get("kept", auto_ack=True)[2] == b"still here")


def test_a_stopped_broker_tells_its_clients_and_comes_back(own_broker: OwnBroker) -> None:
    with channel_to(own_broker.amqp_url) as channel:
        own_broker.stop()
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
            channel.connection.process_data_events(time_limit=5)
        assert closed.value.reply_code == 320
    own_broker.start()
    with channel_to(own_broker.amqp_url) as channel:
        channel.queue_declare("in-time", durable=True, arguments=QUORUM)


def test_a_blocked_broker_says_so_to_publishers_and_a_frozen_one_says_nothing(own_broker: OwnBroker) -> None:
    heard: list[str] = []
    with channel_to(own_broker.amqp_url) as channel:
        connection = channel.connection
        connection.add_on_connection_blocked_callback(lambda *_: heard.append("blocked"))
        connection.add_on_connection_unblocked_callback(lambda *_: heard.append("unblocked"))
        channel.queue_declare("room", durable=True, arguments=QUORUM)

        def hears(word: str) -> bool:
            connection.process_data_events(time_limit=0)
            return heard[-1:] == [word]

        own_broker.block()
        connection.channel().basic_publish("", "room", b"without waiting for a confirm")
        wait_until(lambda: hears("blocked"))
        own_broker.unblock()
        wait_until(lambda: hears("unblocked"))

        own_broker.freeze()
        assert not amqp_answers(*where(own_broker.amqp_url), within=0.5)
        own_broker.thaw()
        wait_until(lambda: amqp_answers(*where(own_broker.amqp_url)))


def where(amqp_url: str) -> tuple[str, int]:
    parts = urlsplit(amqp_url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port
