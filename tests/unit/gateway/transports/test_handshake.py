"""The opening handshake (RFC 6455, section 4.2)."""

from http import HTTPStatus

import pytest

from gateway.codecs import DIALECTS, Dialect
from gateway.transports.handshake import Handshake

JSON, MSGPACK = DIALECTS
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The example of the RFC, section 1.3."""
HEADERS = {
    "Host": "example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def head(*more: str, line: str = "GET /ws HTTP/1.1", **headers: str | None) -> bytes:
    """A good request, with some headers put in, replaced or (None) left out."""
    changed = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [line, *(f"{name}: {value}" for name, value in changed.items() if value is not None), *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status(response: bytes) -> int:
    assert response.endswith(b"\n") or response.endswith(b"\r\n\r\n")
    return int(response.split(b" ", 2)[1])


def accepted(request: bytes) -> tuple[bytes, Dialect | None]:
    handshake = Handshake(request)
    assert handshake.request() is not None
    return handshake.accept()


def test_a_good_request_is_accepted_with_the_answer_to_its_key() -> None:
    response, dialect = accepted(head())
    assert status(response) == 101
    assert f"Sec-WebSocket-Accept: {ACCEPT}\r\n".encode() in response
    assert b"Sec-WebSocket-Extensions" not in response, "nothing is compressed"
    assert dialect is JSON


@pytest.mark.parametrize(
    ("offers", "dialect"),
    [
        ([], JSON),
        (["penstock.v1.json"], JSON),
        (["penstock.v1.msgpack"], MSGPACK),
        (["penstock.v1.msgpack, penstock.v1.json"], MSGPACK),
        (["penstock.v1.json, penstock.v1.msgpack"], JSON),
        (["penstock.v9, penstock.v1.msgpack"], MSGPACK),
        (["chat", "penstock.v1.msgpack"], MSGPACK),
    ],
)
def test_the_first_offered_subprotocol_that_is_ours_is_spoken_and_json_where_none_is_offered(
    offers: list[str], dialect: Dialect
) -> None:
    response, chosen = accepted(head(*(f"Sec-WebSocket-Protocol: {offer}" for offer in offers)))
    assert chosen is dialect
    said = f"Sec-WebSocket-Protocol: {dialect.subprotocol}\r\n".encode()
    assert (said in response) is bool(offers)


def test_who_offers_only_what_we_do_not_speak_is_told_what_we_do() -> None:
    response, dialect = accepted(head("Sec-WebSocket-Protocol: mqtt, chat"))
    assert (status(response), dialect) == (400, None)
    assert b"penstock.v1.json, penstock.v1.msgpack" in response


@pytest.mark.parametrize(
    "request_head",
    [
        head(Upgrade=None),
        head(Upgrade="h2c"),
        head(Connection=None),
        head(Connection="keep-alive"),
        head(Sec_WebSocket_Key=None),
        head(Sec_WebSocket_Key="short"),
        head(Sec_WebSocket_Version="8"),
        head(Sec_WebSocket_Version=None),
        head(f"Sec-WebSocket-Key: {KEY}"),
        head(line="POST /ws HTTP/1.1"),
    ],
)
def test_a_request_that_the_rfc_forbids_is_refused(request_head: bytes) -> None:
    response, dialect = accepted(request_head)
    assert dialect is None
    assert 400 <= status(response) < 500


@pytest.mark.parametrize(
    "garbage",
    [
        b"\r\n\r\n",
        b"GET /ws\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nname : value\r\n\r\n",
        b"GET /ws HTTP/1.1\r\n folded\r\n\r\n",
        b"GET /ws HTTP/2.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        b"GET /ws HTTP/1.1\r\n" + b"x: y\r\n" * 500 + b"\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_with_an_error_of_http(garbage: bytes) -> None:
    handshake = Handshake(garbage)
    assert handshake.request() is None
    assert handshake.path == ""
    assert 400 <= status(handshake.answer()) < 500


def test_what_came_behind_the_request_is_kept() -> None:
    handshake = Handshake(head() + b"\x81\x85early\r\n\r\nmore")
    assert handshake.request() is not None
    assert handshake.early == b"\x81\x85early\r\n\r\nmore"
    assert status(handshake.accept()[0]) == 101


@pytest.mark.parametrize(
    ("target", "path"), [("/ws", "/ws"), ("/ws?x=1", "/ws"), ("/", "/"), ("/ws/", "/ws/"), ("/ws%3Fa", "/ws%3Fa")]
)
def test_the_path_is_what_comes_before_the_query(target: str, path: str) -> None:
    handshake = Handshake(head(line=f"GET {target} HTTP/1.1"))
    assert handshake.request() is not None
    assert handshake.path == path


def test_a_request_says_where_it_comes_from_and_who_asks() -> None:
    handshake = Handshake(head("X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.1", Origin="https://a.example"))
    upgrade = handshake.request()
    assert upgrade is not None
    assert (upgrade.origin, upgrade.host, upgrade.bearer) == ("https://a.example", "example.com", "")
    assert upgrade.forwarded_for == ["192.0.2.1", "10.0.0.1"]


@pytest.mark.parametrize("header", ["Origin", "Host"])
def test_a_header_that_comes_twice_matches_nothing(header: str) -> None:
    upgrade = Handshake(head(f"{header}: b.example", Host="a.example", Origin="a.example")).request()
    assert upgrade is not None
    assert {"Origin": upgrade.origin, "Host": upgrade.host}[header] == "a.example,b.example"


def test_without_origin_there_is_none() -> None:
    upgrade = Handshake(head(Host=None)).request()
    assert upgrade is not None
    assert (upgrade.origin, upgrade.host) == (None, "")


@pytest.mark.parametrize(
    ("authorization", "bearer"),
    [
        ("Bearer abc.def.ghi", "abc.def.ghi"),
        ("bearer  abc", "abc"),
        ("BEARER abc", "abc"),
        ("Basic dTpw", ""),
        ("Bearer", ""),
        ("abc", ""),
    ],
)
def test_a_token_may_come_as_a_bearer(authorization: str, bearer: str) -> None:
    upgrade = Handshake(head(Authorization=authorization)).request()
    assert upgrade is not None
    assert upgrade.bearer == bearer


def test_a_refusal_has_its_status_its_reason_and_when_to_come_back() -> None:
    handshake = Handshake(head())
    handshake.request()
    response = handshake.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "full", 5)
    assert status(response) == 503
    assert b"Retry-After: 5\r\n" in response
    assert response.endswith(b"\r\n\r\nfull\n")
    handshake = Handshake(head())
    handshake.request()
    assert b"Retry-After" not in handshake.refuse(HTTPStatus.FORBIDDEN, "no")
