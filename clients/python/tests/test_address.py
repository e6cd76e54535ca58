"""What may be given as the gateway's URL."""

import pytest

from penstock_client import errors
from penstock_client.address import websocket_url


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ws://localhost:8000", "ws://localhost:8000/ws"),
        ("http://localhost:8000/", "ws://localhost:8000/ws"),
        ("https://example.com", "wss://example.com/ws"),
        ("WSS://example.com/ws", "wss://example.com/ws"),
        ("wss://example.com/realtime/ws?region=eu", "wss://example.com/realtime/ws?region=eu"),
        ("ws://[::1]:8000", "ws://[::1]:8000/ws"),
    ],
)
def test_http_becomes_websocket_and_a_missing_path_becomes_ws(given, meant):
    assert websocket_url(given) == meant


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://example.com",
        "ws://",
        "ws:///ws",
        "ws://host:port",
        "ws://host:99999",
        "ws://user:pw@host",
        "ws://host/ws#part",
        "ws://host/a b",
        "ws://host\n",
    ],
)
def test_what_is_no_gateways_url_is_refused(url):
    with pytest.raises(errors.InvalidArgument):
        websocket_url(url)


def test_credentials_are_not_repeated_in_the_message():
    with pytest.raises(errors.InvalidArgument) as caught:
        websocket_url("ws://user:hunter2@host")
    assert "hunter2" not in str(caught.value)
