"""Heads of HTTP requests: what is plain is read, and what is odd is left to others."""

import pytest

from gateway.transports.heads import MAX_FIELDS, read_head

PLAIN = b"GET /healthz?deep=1 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.2.3.4\r\nx-forwarded-for:5.6.7.8 \r\n"


def test_a_plain_head_is_read_whatever_follows_it() -> None:
    head = read_head(PLAIN + b"\r\nX-API-Key: of the body\r\n\r\n")
    assert head is not None
    assert (head.method, head.path, head.key) == ("GET", "/healthz", None)
    assert head.forwarded_for == ["1.2.3.4", "5.6.7.8"]


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        (b"X-API-Key: k\r\n", b"k"),
        (b"authorization: BEARER  k\r\n", b"k"),
        (b"Authorization: Bearer a\r\nX-API-Key: k\r\n", b"k"),
        (b"X-API-Key: \xc3\xbc\r\n", b"\xc3\xbc"),
        (b"Authorization: Basic k\r\n", None),
        (b"X-API-Key:\r\n", None),
        (b"X-API-Key: k\r\nX-API-Key: k\r\n", None),
        (b"Authorization: Bearer k\r\nAuthorization: Bearer k\r\n", None),
    ],
)
def test_a_key_is_found_where_it_is_clear_which(headers: bytes, key: bytes | None) -> None:
    head = read_head(PLAIN + headers + b"\r\n")
    assert head is not None
    assert head.key == key


@pytest.mark.parametrize(
    "odd",
    [
        PLAIN,
        b"GET  /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET http://evil/healthz HTTP/1.1\r\n\r\n",
        b"get /healthz HTTP/1.1\r\n\r\n",
        PLAIN + b"X: y\r\n folded\r\n\r\n",
        PLAIN + b"X : y\r\n\r\n",
        PLAIN + b"X: y\nZ: 1\r\n\r\n",
        PLAIN + b"X: \x00\r\n\r\n",
        PLAIN + b": y\r\n\r\n",
        PLAIN + b"X: " + b"y" * 9000 + b"\r\n\r\n",
        PLAIN + b"X: y\r\n" * MAX_FIELDS + b"\r\n",
    ],
)
def test_what_is_odd_is_not_read(odd: bytes) -> None:
    assert read_head(odd) is None
