"""HTTP on the port: what each path answers, and that nothing but one whole request has an effect."""

import asyncio
import logging

import pytest

from gateway.settings import Limits
from gateway.transports import http_door as room
from shared.errors import BusAway, BusBlocked, ConfirmTimeout, PublishRefused, Unroutable
from tests.integration.gateway.port import KEY, Client, Port, Response, ask, open_port
from tests.support.eventually import eventually

EVERY_LOOP = True


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    fields = {"Host": "x", "Connection": "close", **({"Content-Length": str(len(body))} if body else {})}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def event(topic: str = "orders.1", body: bytes = b'{"a":1}', **headers: str) -> bytes:
    return request("POST", f"/api/events/{topic}", body, **{"X_API_Key": KEY, **headers})


async def test_healthz_readyz_and_metrics_answer() -> None:
    async with open_port() as port:
        health = await ask(port, request("GET", "/healthz"))
        assert (health.status, health.json["status"]) == (200, "alive")
        assert (await ask(port, request("GET", "/readyz"))).status == 200
        port.is_ready = False
        ready = await ask(port, request("GET", "/readyz"))
        assert (ready.status, ready.json["status"]) == (503, "not ready")
        metrics = await ask(port, request("GET", "/metrics"))
        assert (metrics.status, metrics.body) == (200, b"a_metric 1\n")
        assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert (await ask(port, request("HEAD", "/healthz"))).body == b""
        assert port.counters.http_answers == {"200": 4, "503": 1}


async def test_answers_say_no_more_of_us_than_they_must_and_nothing_to_other_origins() -> None:
    async with open_port() as port:
        for each in (request("OPTIONS", "/api/events/a", Origin="https://evil.com"), request("GET", "/healthz")):
            response = await ask(port, each)
            assert response.headers["server"] == "penstock"
            assert response.headers["connection"] == "close"
            assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/healthz/", 404, "not_found"),
        ("GET", "/api/events", 404, "not_found"),
        ("GET", "/../healthz", 404, "not_found"),
        ("GET", "/ws", 426, "bad_request"),
        ("POST", "/ws", 426, "bad_request"),
        ("POST", "/healthz", 405, "bad_request"),
        ("GET", "/api/events/a", 405, "bad_request"),
        ("PUT", "/api/events/a", 405, "bad_request"),
    ],
)
async def test_every_other_request_is_answered_in_words(method: str, path: str, status: int, code: str) -> None:
    async with open_port() as port:
        response = await ask(port, request(method, path))
        assert (response.status, response.json["code"]) == (status, code)
        assert response.json["reason"]


async def test_an_event_is_emitted_and_accepted() -> None:
    async with open_port() as port:
        response = await ask(port, event())
        assert (response.status, response.json) == (202, {"topic": "orders.1", "status": "accepted"})
        assert port.events == [("orders.1", b'{"a":1}', "application/json", None, None)]


async def test_an_event_carries_its_type_its_key_and_its_trace() -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    async with open_port() as port:
        response = await ask(
            port,
            event(
                "a~b:c@d=e-f_g", b"hello", Content_Type="text/plain; charset=utf-8", Idempotency_Key="k1",
                traceparent=trace,
            ),
        )  # fmt: skip
        assert response.status == 202
        assert port.events == [("a~b:c@d=e-f_g", b"hello", "text/plain", "k1", trace)]


async def test_a_trace_that_is_none_is_no_reason_to_lose_an_event() -> None:
    async with open_port() as port:
        assert (await ask(port, event(traceparent="nonsense"))).status == 202
        assert port.events[0][4] is None


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"X_API_Key": KEY}, 202, None),
        ({"Authorization": f"Bearer {KEY}"}, 202, None),
        ({"Authorization": f"bearer  {KEY}"}, 202, None),
        ({}, 401, "unauthenticated"),
        ({"X_API_Key": ""}, 401, "unauthenticated"),
        ({"Authorization": f"Basic {KEY}"}, 401, "unauthenticated"),
        ({"X_API_Key": KEY[:-1]}, 403, "forbidden"),
        ({"X_API_Key": KEY + "x"}, 403, "forbidden"),
        ({"X_API_Key": "schlüssel"}, 403, "forbidden"),
        ({"X_API_Key": "wrong", "Authorization": f"Bearer {KEY}"}, 403, "forbidden"),
    ],
)
async def test_only_who_has_a_key_may_emit(headers: dict[str, str], status: int, code: str | None) -> None:
    async with open_port() as port:
        response = await ask(port, request("POST", "/api/events/a", b"1", **headers))
        assert (response.status, response.json.get("code")) == (status, code)
        assert len(port.events) == (status == 202)


async def test_any_of_several_keys_will_do() -> None:
    async with open_port(api_keys=("first-key", "second-key")) as port:
        for key in ("first-key", "second-key"):
            assert (await ask(port, event(X_API_Key=key))).status == 202


async def test_without_configured_keys_nobody_may_emit_and_the_answer_says_why() -> None:
    async with open_port(api_keys=()) as port:
        response = await ask(port, event())
        assert response.status == 403
        assert "PENSTOCK_API_KEYS" in response.json["reason"]


async def test_a_key_is_never_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_port() as port:
        port.refusal = RuntimeError("a defect")
        await ask(port, event())
        await ask(port, event(X_API_Key="wrong-canary"))
        await ask(port, event()[:-9] + b"\r\nX-API-Key: " + KEY.encode() + b"\r\nContent-Length: x\r\n\r\n")
    assert KEY not in caplog.text
    assert "wrong-canary" not in caplog.text


@pytest.mark.parametrize(
    "topic", ["", "a..b", ".a", "a.*", "a.%23", "a/b", "a%00b", "%C3%A9", "a" * 201, "a%20b", "a.b?c=."]
)
async def test_what_is_no_topic_is_refused_and_a_query_is_not_part_of_one(topic: str) -> None:
    async with open_port() as port:
        response = await ask(port, event(topic))
        if "?" in topic:
            assert port.events[0][0] == "a.b"
        else:
            assert (response.status, response.json["code"]) == (400, "bad_request")
            assert port.events == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'"\xff"', {}, 400),
        (b"[" * 10_000, {}, 400),
        (b"{} {}", {}, 400),
        (b"", {"Content_Length": "0"}, 400),
        (b"\xff", {"Content_Type": "text/plain"}, 400),
        (b"\xdd\xff\xff\xff\xff", {"Content_Type": "application/msgpack"}, 400),
        (b"\x81\xa1a\x01", {"Content_Type": "application/msgpack"}, 202),
        (b"\xff\x00", {"Content_Type": "application/octet-stream"}, 202),
        (b" 1 ", {"Content_Type": "APPLICATION/JSON;charset=utf-8"}, 202),
        (b"a=1", {"Content_Type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"Content_Type": "text/html"}, 415),
        (b"{}", {"Content_Type": ""}, 415),
        (b"{}", {"Content_Encoding": "gzip"}, 415),
        (b"{}", {"Idempotency_Key": "two words"}, 400),
        (b"{}", {"Idempotency_Key": "k" * 129}, 400),
        (b"{}", {"Idempotency_Key": ""}, 400),
    ],
)
async def test_a_body_must_be_what_its_type_says(body: bytes, headers: dict[str, str], status: int) -> None:
    async with open_port() as port:
        response = await ask(port, event(body=body, **headers))
        assert response.status == status
        assert len(port.events) == (status == 202)


async def test_who_sends_what_curl_sends_by_itself_is_told_which_header_to_send() -> None:
    async with open_port() as port:
        response = await ask(port, event(Content_Type="application/x-www-form-urlencoded"))
        assert response.status == 415
        assert response.json["reason"].endswith("as curl -d does by itself: add -H 'Content-Type: application/json'")


@pytest.mark.parametrize("name", ["X-API-Key", "Content-Type", "Idempotency-Key", "traceparent"])
async def test_a_header_that_counts_must_not_be_there_twice(name: str) -> None:
    async with open_port() as port:
        head, _, body = event(Content_Type="application/json").partition(b"\r\n\r\n")
        response = await ask(port, head + f"\r\n{name}: {KEY}\r\n{name}: {KEY}\r\n\r\n".encode() + body)
        assert response.status == 400
        assert port.events == []


async def test_the_largest_body_is_taken_and_a_larger_one_is_not() -> None:
    async with open_port(gateway=Limits(max_event_bytes=1000)) as port:
        assert (await ask(port, event(body=b'"' + b"x" * 998 + b'"'))).status == 202
        response = await ask(port, event(body=b'"' + b"x" * 999 + b'"'))
        assert (response.status, response.json["code"]) == (413, "too_large")
        assert len(port.events) == 1


async def test_a_body_of_20_mib_is_refused_before_it_is_read() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        client.send(request("POST", "/api/events/a", X_API_Key=KEY, Content_Length=str(20 * 2**20)))
        response = b""
        while b"too_large" not in response:
            response += await client.read()
        assert Response(response).status == 413
        client.close()
        await eventually(lambda: port.counters.http_connections == 0)


async def test_a_chunked_body_is_read_and_bounded_too() -> None:
    async with open_port(gateway=Limits(max_event_bytes=1000)) as port:
        head = request("POST", "/api/events/a", X_API_Key=KEY, Transfer_Encoding="chunked")
        assert (await ask(port, head + b'4\r\n"abc\r\n1\r\n"\r\n0\r\n\r\n')).status == 202
        assert port.events[0][1] == b'"abc"'
        assert (
            await ask(port, head + b"200\r\n" + b"x" * 512 + b"\r\n" + b"200\r\n" + b"x" * 512 + b"\r\n")
        ).status == 413


async def test_a_body_that_never_ends_is_given_up() -> None:
    async with open_port(gateway=Limits(http_timeout=0.1)) as port:
        response = await ask(port, request("POST", "/api/events/a", X_API_Key=KEY, Content_Length="10") + b"12")
        assert (response.status, response.json["code"]) == (408, "timeout")
        assert port.events == []


async def test_a_client_that_leaves_in_the_middle_of_its_body_emits_nothing() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        client.send(request("POST", "/api/events/a", X_API_Key=KEY, Content_Length="10") + b"12")
        await eventually(lambda: port.counters.http_connections == 1)
        client.close()
        await eventually(lambda: port.counters.http_connections == 0)
        assert port.events == []
        assert port.counters.http_failures == 0


async def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    async with open_port() as port:

        async def polite(client: Client) -> None:
            client.send(request("POST", "/api/events/a", X_API_Key=KEY, Content_Length="1", Expect="100-continue"))
            assert await client.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(b"1")

        assert (await ask(port, polite)).status == 202


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (BusAway(), 503, "unavailable", "2"),
        (BusBlocked(), 503, "unavailable", "2"),
        (PublishRefused(), 503, "overloaded", "1"),
        (Unroutable(), 503, "unavailable", "2"),
        (ConfirmTimeout(), 504, "timeout", None),
    ],
)
async def test_what_the_broker_did_not_take_is_not_accepted(
    error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    async with open_port() as port:
        port.refusal = error
        response = await ask(port, event())
        assert (response.status, response.json["code"]) == (status, code)
        assert response.headers.get("retry-after") == retry_after


async def test_a_defect_of_ours_is_counted_and_told_to_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with open_port() as port:
        port.refusal = RuntimeError("a secret detail")
        response = await ask(port, event())
        assert (response.status, response.json["code"]) == (500, "internal")
        assert b"secret" not in response.body
        assert port.counters.http_failures == 1
        assert "a secret detail" in caplog.text


async def test_too_many_connections_are_answered_with_503_until_one_leaves() -> None:
    async with open_port(gateway=Limits(max_http_connections=1)) as port:
        client = await Client.to(port)
        client.send(request("POST", "/api/events/a", X_API_Key=KEY, Content_Length="10"))
        await eventually(lambda: port.counters.http_connections == 1)
        response = await ask(port, request("GET", "/metrics"))
        assert (response.status, response.json["code"], response.headers["retry-after"]) == (503, "overloaded", "1")
        assert port.counters.http_refused == 1
        for path in ("/healthz", "/readyz?x=1"):
            assert (await ask(port, request("GET", path))).status == 200, "who asks how we are is told all the same"
        client.close()
        await eventually(lambda: port.counters.http_connections == 0)
        assert (await ask(port, request("GET", "/metrics"))).status == 200


async def hold(port: Port, **headers: str) -> Client:
    """Take a place, and leave only when told: the answer is too large, and never read."""
    client = await Client.to(port)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.send(request("GET", "/metrics", **headers))
    return client


async def test_one_address_without_a_key_takes_a_part_of_the_places_only() -> None:
    limits = Limits(max_http_connections=4, max_http_per_address=2)
    async with open_port(gateway=limits, trusted_proxies=("127.0.0.1",)) as port:
        port.http._metrics = lambda: b"x" * 2**24
        greedy = [await hold(port, X_Forwarded_For=address) for address in ("2001:db8::1", "2001:db8::2")]
        await eventually(lambda: port.counters.http_connections == 2)
        refused = await ask(port, request("GET", "/", X_Forwarded_For="2001:db8::3"))
        assert (refused.status, refused.json["code"]) == (503, "overloaded"), "an IPv6 client has a whole /64"
        assert port.counters.http_refused == 1
        assert (await ask(port, request("GET", "/", X_Forwarded_For="198.51.100.7"))).status == 404
        assert (await ask(port, event(X_Forwarded_For="2001:db8::3"))).status == 202, "a key vouches for its bearer"
        for client in greedy:
            client.writer.transport.abort()
        await eventually(lambda: port.counters.http_connections == 0)
        assert (await ask(port, request("GET", "/", X_Forwarded_For="2001:db8::3"))).status == 404
        assert len(port.http._callers) == 0, "addresses are forgotten with their last connection"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/api/events/a", {}, 401),
        ("POST", "/api/events/a", {"X_API_Key": "wrong"}, 403),
        ("POST", "/nothing", {}, 404),
        ("GET", "/metrics", {}, 200),
        ("GET", "/healthz", {}, 200),
    ],
)
async def test_who_has_no_key_gets_its_answer_and_is_not_waited_for(
    method: str, path: str, headers: dict[str, str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LINGER", 3600.0)
    async with open_port() as port:
        response = await ask(port, request(method, path, Content_Length="100000", **headers))
        assert response.status == status
        await eventually(lambda: port.counters.http_connections == 0)


async def test_a_client_that_never_reads_its_answer_is_dropped() -> None:
    async with open_port() as port:
        port.http._lifetime = 0.1
        port.http._metrics = lambda: b"x" * 2**24
        client = await Client.to(port)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(request("GET", "/metrics"))
        await eventually(lambda: port.counters.http_answers)
        await eventually(lambda: port.counters.http_connections == 0)
        client.close()


async def test_closing_lets_a_request_in_hand_finish_as_the_last_one() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        client.send(START + b"Content-Length: 1\r\n\r\n")
        await eventually(lambda: port.counters.http_connections == 1)
        closing = asyncio.create_task(port.http.close(10))
        await asyncio.sleep(0)
        client.send(b"1")
        response = Response(await client.read_all())
        assert (response.status, response.headers["connection"]) == (202, "close")
        await closing
        client.close()


async def test_closing_does_not_wait_for_connections_that_rest() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        client.send(START + b"Content-Length: 1\r\n\r\n1")
        assert b"202 Accepted" in await client.read()
        async with asyncio.timeout(1):
            await port.http.close(10)
        assert await client.read_all() == b""


SMUGGLED = (
    b"POST /api/events/smuggled HTTP/1.1\r\nHost: x\r\nX-API-Key: " + KEY.encode() + b"\r\nContent-Length: 1\r\n\r\n1"
)
START = b"POST /api/events/first HTTP/1.1\r\nHost: x\r\nX-API-Key: " + KEY.encode() + b"\r\n"


async def test_a_connection_that_brings_good_events_lives_on() -> None:
    async with open_port() as port:
        client = await Client.to(port)
        for number in (b"1", b"2", b"3"):
            client.send(START + b"Content-Length: 1\r\n\r\n" + number)
            assert b"202 Accepted" in await client.read()
        client.send(START + b"Content-Length: 1\r\n\r\nx" + SMUGGLED)
        assert b"400 Bad Request" in await client.read_all()
        assert [each[1] for each in port.events] == [b"1", b"2", b"3"]


async def test_a_connection_that_lives_on_is_closed_when_nothing_comes() -> None:
    async with open_port(gateway=Limits(http_timeout=0.2)) as port:
        client = await Client.to(port)
        client.send(START + b"Content-Length: 1\r\n\r\n1")
        assert b"202 Accepted" in await client.read_all()
        await eventually(lambda: port.counters.http_connections == 0)


@pytest.mark.parametrize(
    "data",
    [
        START + b"Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n1" + SMUGGLED,
        START + b"Content-Length: 1, 1\r\n\r\n1" + SMUGGLED,
        START + b"Content-Length: +1\r\n\r\n1" + SMUGGLED,
        START + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
        START + b"Content-Length: 0x1\r\n\r\n1" + SMUGGLED,
        START + b"Content-Length: 1_0\r\n\r\n1" + SMUGGLED,
        START + b"Content-Length : 1\r\n\r\n1" + SMUGGLED,
        START + b"Content-Length:\r\n\r\n" + SMUGGLED,
        START + b"Content-Length: 99999999999999999999999\r\n\r\n1" + SMUGGLED,
        START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Transfer-Encoding: identity\r\n\r\n" + SMUGGLED,
        START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        START + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        START + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        START + b"X: y\x00z\r\nContent-Length: 1\r\n\r\n1" + SMUGGLED,
        START + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + SMUGGLED,
        START + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\n1\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n1" + SMUGGLED,
        START + b"Transfer-Encoding: chunked\r\n\r\n1\n1\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Transfer-Encoding: chunked\r\n\r\n1;x\ny\r\n1\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Transfer-Encoding: chunked\r\n\r\n1\r\n1X\r\n0\r\n\r\n" + SMUGGLED,
        START + b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\n1" + SMUGGLED,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
        b"GET /healthz\r\n\r\n" + SMUGGLED,
        b"GET /healthz HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
        b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n" + SMUGGLED,
        b"GET http://evil/healthz HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
        b"CONNECT evil:80 HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
    ],
)
async def test_nothing_behind_a_request_is_ever_another_one(data: bytes) -> None:
    async with open_port(gateway=Limits(http_timeout=0.2)) as port:
        client = await Client.to(port)
        client.send(data)
        answer = await client.read_all()
        assert answer.count(b"HTTP/1.1 ") <= 1
        assert [each[0] for each in port.events if each[0] != "first"] == []
        assert [each[1] for each in port.events if each[1] != b"1"] == []
        client.close()


@pytest.mark.parametrize("headers", [b"X: y\r\n" * 200, b"X: " + b"y" * 9000 + b"\r\n", b"X y\r\n", b": y\r\n"])
async def test_headers_that_are_too_many_too_long_or_none_are_refused(headers: bytes) -> None:
    async with open_port() as port:
        response = await ask(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")
        assert (response.status, response.json["code"]) == (400, "bad_request")


async def test_a_thousand_trailers_are_not_collected() -> None:
    async with open_port() as port:
        head = request("POST", "/api/events/a", X_API_Key=KEY, Transfer_Encoding="chunked")
        response = await ask(port, head + b"1\r\n1\r\n0\r\n" + b"X: y\r\n" * 100_000 + b"\r\n")
        assert response.status in (202, 400)
        await eventually(lambda: port.counters.http_connections == 0)


def served(port: Port) -> int:
    return sum(port.counters.http_answers.values())


async def test_many_at_a_time_are_all_answered() -> None:
    async with open_port() as port:
        responses = await asyncio.gather(*(ask(port, event()) for _ in range(200)))
        assert {response.status for response in responses} == {202}
        assert served(port) == len(port.events) == 200
        await eventually(lambda: port.counters.http_connections == 0)
