import pytest

from shared.errors import ConfigurationError
from shared.store.valkey import open_store
from shared.store.valkey_url import Kind, StoreUrl, parse


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("redis://localhost", StoreUrl(Kind.SINGLE, (("localhost", 6379),))),
        ("valkey://localhost:7000/3", StoreUrl(Kind.SINGLE, (("localhost", 7000),), db=3)),
        ("valkeys://store/", StoreUrl(Kind.SINGLE, (("store", 6379),), tls=True)),
        (
            "rediss://ada:p%40ss%2F@[::1]:1/0",
            StoreUrl(Kind.SINGLE, (("::1", 1),), tls=True, username="ada", password="p@ss/"),
        ),
        ("redis://[::1]", StoreUrl(Kind.SINGLE, (("::1", 6379),))),
        ("redis://:secret@h", StoreUrl(Kind.SINGLE, (("h", 6379),), password="secret")),
        (
            "redis+sentinel://:x@a,b:1/orders/2",
            StoreUrl(Kind.SENTINEL, (("a", 26379), ("b", 1)), password="x", db=2, service="orders"),
        ),
        ("valkeys+sentinel://a/my%2Fname", StoreUrl(Kind.SENTINEL, (("a", 26379),), tls=True, service="my/name")),
        ("redis+cluster://a:1,b,c", StoreUrl(Kind.CLUSTER, (("a", 1), ("b", 6379), ("c", 6379)))),
        (
            "rediss://h?ssl_ca_certs=/ca.pem&ssl_check_hostname=no",
            StoreUrl(
                Kind.SINGLE, (("h", 6379),), True, options={"ssl_ca_certs": "/ca.pem", "ssl_check_hostname": "no"}
            ),
        ),
    ],
)
def test_a_url_says_where_the_store_is(url, meant):
    assert parse(url) == meant


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("", "the scheme '' is unknown"),
        ("http://u:canary@h", "the scheme 'http' is unknown"),
        ("redis+other://u:canary@h", "the scheme 'redis+other' is unknown"),
        ("redis+://h", "the scheme 'redis+' is unknown"),
        ("redis://", "it names no host"),
        ("redis://u:canary@", "it names no host"),
        ("redis://u:canary@a,b", "it names several hosts"),
        ("redis://u:canary@h:port", "'h:port' is not a host and a port"),
        ("redis://u:canary@h:0", "'h:0' is not a host and a port"),
        ("redis://u:canary@h:65536", "is not a host and a port"),
        ("redis://u:canary@h/one", "'one' is not the number of a database"),
        ("redis://u:canary@h/1/2", "'1/2' is not the number of a database"),
        ("redis+sentinel://u:canary@h", "it names no service"),
        ("redis+cluster://u:canary@h/1", "a Cluster has database 0 alone"),
        ("redis://u:canary@h?timeout=1", "the option 'timeout' is unknown"),
        ("redis://u:canary@h?ssl_check_hostname=maybe", "ssl_check_hostname is yes or no"),
        ("redis://[u:canary@h", "Invalid IPv6 URL"),
    ],
)
def test_a_url_that_cannot_be_read_is_told_in_one_line_without_its_password(url, wrong):
    with pytest.raises(ConfigurationError, match=r"^PENSTOCK_STORE_URL cannot be read: ") as refused:
        parse(url)
    assert wrong in str(refused.value)
    assert "canary" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_where_it_is_can_be_shown_without_who_asks():
    assert parse("redis://ada:canary@h/1").where == "h:6379"
    assert parse("redis+sentinel://ada:canary@a,[::1]:2/orders").where == "orders by way of a:26379, [::1]:2"
    assert "canary" not in repr(parse("redis+sentinel://ada:canary@h/s?sentinel_password=canary"))


def test_a_file_that_is_not_there_is_told_at_once():
    with pytest.raises(ConfigurationError, match=r"a file that is not there: /nowhere/ca\.pem"):
        open_store("rediss://h?ssl_ca_certs=/nowhere/ca.pem")
