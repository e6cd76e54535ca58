"""A broker's words, as RabbitMQ 3.10 and 4.0 say them, and what they mean for the operator."""

import pytest

from shared.bus.amqp_refusals import Refusal, culprit, of_connection, of_message, of_order
from shared.errors import (
    BusAway,
    ConfigurationError,
    MissingPlugin,
    PublishRefused,
    QueueTaken,
    TopologyMismatch,
    Unroutable,
)

HASH = "unknown exchange type 'x-modulus-hash'"


@pytest.mark.parametrize(
    "refusal", [Refusal(503, f"COMMAND_INVALID - {HASH}"), Refusal(406, f"PRECONDITION_FAILED - {HASH}")]
)
def test_a_missing_plugin_says_how_to_enable_it(refusal):
    error = of_order(refusal)
    assert isinstance(error, MissingPlugin)
    assert "rabbitmq-plugins enable rabbitmq_sharding" in str(error)


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (404, "NOT_FOUND - no queue 'q' in vhost '/'", TopologyMismatch),
        (404, "NOT_FOUND - home node 'rabbit@a' of durable queue 'q' in vhost '/' is down or inaccessible", BusAway),
        (406, "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' in vhost '/'", TopologyMismatch),
        (403, "ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'u'", ConfigurationError),
        (403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use", BusAway),
        (405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'", QueueTaken),
        (320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'", BusAway),
        (541, "INTERNAL_ERROR", BusAway),
    ],
)
def test_an_order_that_is_refused(code, text, kind):
    error = of_order(Refusal(code, text))
    assert type(error) is kind
    assert text in str(error)


@pytest.mark.parametrize(
    ("code", "text", "kind", "advice"),
    [
        (
            403,
            "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.",
            ConfigurationError,
            "password",
        ),
        (530, "NOT_ALLOWED - vhost shop not found", ConfigurationError, "create the virtual host"),
        (530, "NOT_ALLOWED - access to vhost 'shop' refused for user 'joe'", ConfigurationError, "permissions"),
        (530, "NOT_ALLOWED - access to vhost 'shop' refused: connection limit (1) is reached", BusAway, "for now"),
        (320, "CONNECTION_FORCED - node is shutting down", BusAway, "for now"),
    ],
)
def test_a_connection_that_is_refused(code, text, kind, advice):
    error = of_connection(Refusal(code, text), "joe", "shop")
    assert type(error) is kind
    assert advice in str(error)


@pytest.mark.parametrize(
    ("code", "text", "kind", "who"),
    [
        (404, "NOT_FOUND - no exchange 'x.y' in vhost '/'", Unroutable, ("x.y", None)),
        (403, "ACCESS_REFUSED - write access to exchange 'x' in vhost '/' refused", PublishRefused, ("x", None)),
        (
            406,
            "PRECONDITION_FAILED - message size 20000000 is larger than configured max size 16777216",
            PublishRefused,
            (None, 20_000_000),
        ),
        (406, "PRECONDITION_FAILED - something new", PublishRefused, (None, None)),
    ],
)
def test_a_message_that_is_refused(code, text, kind, who):
    refusal = Refusal(code, text)
    assert type(of_message(refusal)) is kind
    assert culprit(refusal) == who
