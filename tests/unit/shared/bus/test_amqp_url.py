"""The broker's URL."""

import pytest

from shared.bus.amqp_url import broker_url, named, noticed_within
from shared.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("amqp://u:p@rabbit/", "rabbit", 5672),
        ("amqps://u:p@rabbit/shop", "rabbit", 5671),
        ("amqp://rabbit:1234", "rabbit", 1234),
        ("amqp://u:p%40ss@[::1]:5673/%2F", "::1", 5673),
    ],
)
def test_the_port_is_the_schemes_where_none_is_given(text, host, port):
    url = broker_url(text)
    assert (url.host, url.port) == (host, port)


@pytest.mark.parametrize(
    "text", ["", "rabbit", "http://u:s3cret@rabbit", "amqp://", "amqp://u:s3cret@rabbit:port/", "amqp:u:s3cret@rabbit"]
)
def test_what_is_no_brokers_url_is_refused_without_its_password(text):
    with pytest.raises(ConfigurationError, match="must look like amqp://") as refused:
        broker_url(text)
    assert "s3cret" not in f"{refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}"


def test_a_heartbeat_and_a_name_are_added_and_a_given_heartbeat_stays():
    assert named(broker_url("amqp://rabbit"), "gateway").query == {"heartbeat": "10", "name": "gateway"}
    url = named(broker_url("amqp://rabbit?heartbeat=30&cafile=/ca.pem"), "gateway")
    assert url.query == {"heartbeat": "30", "cafile": "/ca.pem", "name": "gateway"}


@pytest.mark.parametrize(
    ("query", "seconds"), [("", 31.0), ("?heartbeat=2", 7.0), ("?heartbeat=0", 1.0), ("?heartbeat=x", 31.0)]
)
def test_a_broker_notices_within_three_heartbeats_and_a_moment(query, seconds):
    assert noticed_within(f"amqp://rabbit{query}") == seconds
