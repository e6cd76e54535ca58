"""Events over HTTP, to a gateway that answers as it is told."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from penstock.asking import over_http as ask
from penstock.cli.errors import CommandError
from penstock.cli.exits import Exit
from penstock.emitting import over_http
from penstock.emitting.event import Event
from tests.support.ports import free_port

EVENT = Event("orders.42", b'{"total":12}', "application/json", "key-1")


class Gateway:
    def __init__(self):
        self.status, self.body, self.seen = 202, b"{}", []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                gateway.seen.append((self.path, dict(self.headers), body, self.client_address))
                self.send_response(gateway.status)
                self.send_header("Content-Length", str(len(gateway.body)))
                self.end_headers()
                self.wfile.write(gateway.body)

            do_GET = do_POST

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def gateway():
    it = Gateway()
    yield it
    it.close()


def emit(url, **changed):
    told = []
    over_http.emit(url, "api key", **{"event": EVENT, "count": 1, "every": 0, "confirmed": told.append} | changed)
    return told


def test_an_event_is_posted_with_its_key_and_its_type(gateway):
    assert emit(gateway.url) == [f"the broker behind {gateway.url}"]
    ((path, headers, body, _),) = gateway.seen
    assert path == "/api/events/orders.42"
    assert headers["Authorization"] == "Bearer api key"
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == "key-1"
    assert body == EVENT.body


def test_repeated_events_share_a_connection(gateway):
    assert len(emit(gateway.url, count=3)) == 3
    assert len({address for *_, address in gateway.seen}) == 1


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, Exit.REFUSED, "refused the API key"),
        (403, Exit.REFUSED, "refused the API key"),
        (404, Exit.REFUSED, "Is it a Penstock gateway"),
        (413, Exit.REFUSED, "refused the event for orders.42 .413.: too much"),
        (429, Exit.REFUSED, "refused the event"),
        (503, Exit.UNREACHABLE, "could not publish to orders.42: too much"),
    ],
)
def test_a_refusal_is_a_sentence_and_a_code(gateway, status, code, words):
    gateway.status, gateway.body = status, b'{"code": "x", "reason": "too much"}'
    with pytest.raises(CommandError, match=words) as refused:
        emit(gateway.url)
    assert refused.value.code is code


@pytest.mark.parametrize("key", [None, ""])
def test_who_showed_no_key_is_asked_for_one(gateway, key):
    gateway.status, gateway.body = 401, b'{"code": "unauthenticated", "reason": "an API key is needed"}'
    with pytest.raises(CommandError, match=r"asks for an API key \(an API key is needed\)\. Give") as asked:
        over_http.emit(gateway.url, key, EVENT, 1, 0, print)
    assert asked.value.code is Exit.REFUSED
    with pytest.raises(CommandError, match="asks for an API key"):
        ask.sessions(gateway.url, key, None, 1)


def test_whose_key_is_wrong_is_told_so(gateway):
    gateway.status, gateway.body = 403, b'{"code": "forbidden", "reason": "this API key is not known here"}'
    with pytest.raises(CommandError, match=r"refused the API key \(this API key is not known here\)"):
        ask.sessions(gateway.url, "wrong", None, 1)


def test_a_refusal_without_words_is_told_with_the_status(gateway):
    gateway.status, gateway.body = 400, b"<html>"
    with pytest.raises(CommandError, match="Bad Request"):
        emit(gateway.url)


def test_nobody_there_is_told_with_what_to_do():
    with pytest.raises(CommandError, match=r"No gateway answers at http://127.*Is `penstock up` running") as told:
        emit(f"http://127.0.0.1:{free_port()}")
    assert told.value.code is Exit.UNREACHABLE
    with pytest.raises(CommandError, match=r"No gateway answers at http://127\S+ \(Connection refused\)"):
        ask.sessions(f"http://127.0.0.1:{free_port()}", None, None, 1)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://x", "http://"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(CommandError, match="is no http:// or https:// address"):
        emit(url)


def test_a_password_in_the_address_is_not_shown(gateway):
    gateway.status = 400
    with pytest.raises(CommandError) as refused:
        emit(gateway.url.replace("http://", "http://user:canary@"))
    assert "canary" not in str(refused.value)
