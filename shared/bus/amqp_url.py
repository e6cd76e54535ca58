"""The broker's URL: checked, and completed with what we want of a connection."""

from __future__ import annotations

from yarl import URL

from shared.errors import ConfigurationError

HEARTBEAT = 10
"""Seconds; a broker that is silent for one and a half of them is taken for lost."""


MARGIN = 1.0
"""Seconds that a broker may take to put away what a lost connection had."""


def broker_url(text: str) -> URL:
    """Return the URL of a broker; raise `ConfigurationError`, without its password, where it is none."""
    try:
        url = URL(text)
        port = {"amqp": 5672, "amqps": 5671}[url.scheme]
        port = url.explicit_port or port
    except (ValueError, KeyError):
        url, port = URL(), 0
    if not url.host:
        raise ConfigurationError(
            "the AMQP URL must look like amqp://user:password@host:5672/vhost, or amqps:// for TLS; "
            "% / : @ in user, password and vhost are written as %25 %2F %3A %40"
        )
    return url.with_port(port)


def noticed_within(text: str) -> float:
    """Return the seconds within which a broker notices that who connected with this URL is gone, without a word.

    RabbitMQ looks once in a heartbeat's time whether anything came, and lets one such time pass. Raises
    `ConfigurationError` for what is no URL of a broker.
    """
    given = broker_url(text).query.get("heartbeat", "")
    return 3.0 * (int(given) if given.isdecimal() else HEARTBEAT) + MARGIN


def named(url: URL, name: str, heartbeat: int = HEARTBEAT) -> URL:
    """Return `url` with the name that the broker shows for the connection, and a heartbeat where it has none."""
    return url.update_query({"heartbeat": str(heartbeat), **url.query, "name": name})
