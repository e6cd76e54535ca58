"""Brokers by name."""

import pytest

from penstock.broker import identity
from shared.errors import ConfigurationError


@pytest.mark.parametrize(
    "url",
    ["amqp://localhost", "amqp://a:b@localhost:5672/", "amqp://127.0.0.1/%2F", "amqp://c@[::1]/?heartbeat=5"],
)
def test_one_virtual_host_has_one_name_however_its_url_is_written(url):
    assert identity(url) == "localhost:5672 /"


def test_other_virtual_hosts_ports_and_hosts_have_other_names():
    urls = ("amqp://broker", "amqp://broker/v", "amqps://broker", "amqp://broker:5673", "amqp://other")
    assert len({identity(url) for url in urls}) == len(urls)


def test_what_is_no_url_of_a_broker_is_told_without_its_password():
    with pytest.raises(ConfigurationError, match="must look like amqp://") as refused:
        identity("http://user:canary@broker")
    assert "canary" not in str(refused.value)
