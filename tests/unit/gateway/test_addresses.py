from ipaddress import ip_network

import pytest

from gateway import addresses
from gateway.addresses import MAX_HOPS, TrustedProxies, counted_as

OURS = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.7, 10.0.0.2,10.0.0.3"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", ["2001:DB8:0::1"], "2001:db8::1"),
        ("10.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("fd00::1", ["198.51.100.7"], "198.51.100.7"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["garbage, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7, garbage, 10.0.0.2"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [","], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7,"], "10.0.0.1"),
        ("10.0.0.1", ["999.1.1.1"], "10.0.0.1"),
        ("", ["198.51.100.7"], ""),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_not_ours(peer: str, forwarded_for: list[str], client: str) -> None:
    assert OURS.client_address(peer, forwarded_for) == client


def test_nobody_is_trusted_unless_told() -> None:
    assert TrustedProxies().client_address("10.0.0.1", ["198.51.100.7"]) == "10.0.0.1"


def test_a_header_of_a_thousand_proxies_is_not_followed() -> None:
    chain = "198.51.100.7," + ",".join(["10.0.0.2"] * (MAX_HOPS - 1))
    assert OURS.client_address("10.0.0.1", [chain]) == "198.51.100.7"
    assert OURS.client_address("10.0.0.1", [chain.replace(",", ",10.0.0.2,", 2)]) == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_ipv6_clients_are_counted_by_their_network(address: str, name: str) -> None:
    assert counted_as(address) == name


def test_what_is_too_long_to_be_an_address_is_none_and_is_not_remembered():
    text = "127.0.0.1%" + "a" * 200
    before = addresses._parse.cache_info()
    assert addresses.parse(text) is None
    assert addresses.counted_as(text) == text
    assert addresses._parse.cache_info() == before
