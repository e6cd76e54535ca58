"""The issuer's keys, from a real HTTP server on this machine."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from router.jwks import MAX_BODY, Jwks
from router.keys import NeedsKeys
from tests.support.eventually import eventually
from tests.unit.router.issuer import issuer as issuer
from tests.unit.router.keyring import jwk, jwks, private


@contextlib.asynccontextmanager
async def fetching(url, **times):
    source = Jwks(url, **({"interval": 0.01, "ttl": 3600.0} | times))
    source.answers = 0

    def count():
        source.answers += 1

    source.on_answer = count
    await source.start()
    try:
        yield source
    finally:
        await source.stop()


async def test_the_issuers_keys_are_there_soon_after_the_start(issuer):
    async with fetching(issuer.url) as source:
        assert await eventually(lambda: source.find("RS256", "k") == private("RS256").public_key())
        assert (source.counters.fetched, source.counters.keys) == (1, 1)


async def test_before_they_have_come_they_are_needed_and_worth_waiting_for(issuer):
    issuer.hold.clear()
    async with fetching(issuer.url, interval=30) as source:
        await eventually(lambda: issuer.requests == 1)
        assert source.find("RS256", "k") == NeedsKeys(0.0, heard=False)
        issuer.hold.set()
        await eventually(lambda: source.answers == 1)
        assert source.find("RS256", "k") == private("RS256").public_key()


async def test_a_new_key_of_the_issuer_is_fetched_when_a_token_names_it(issuer):
    async with fetching(issuer.url) as source:
        await eventually(lambda: source.counters.fetched == 1)
        issuer.body = jwks(jwk("RS256", kid="k"), jwk("ES256", kid="new"))
        assert isinstance(source.find("ES256", "new"), NeedsKeys)
        assert await eventually(lambda: source.find("ES256", "new") == private("ES256").public_key())
        assert source.find("RS256", "k") == private("RS256").public_key()


async def test_a_flood_of_unknown_keys_asks_the_issuer_once_an_interval(issuer):
    async with fetching(issuer.url, interval=30) as source:
        await eventually(lambda: source.counters.fetched == 1)
        for number in range(10_000):
            needs = source.find("RS256", f"unknown {number}")
        assert isinstance(needs, NeedsKeys)
        assert 25 < needs.retry_after <= 30
        assert needs.heard
        await asyncio.sleep(0.05)
        assert issuer.requests == 1


async def test_many_who_need_keys_at_once_share_one_fetch(issuer):
    issuer.hold.clear()
    async with fetching(issuer.url) as source:
        await eventually(lambda: issuer.requests == 1)
        for number in range(1000):
            source.find("RS256", str(number))
        issuer.hold.set()
        await eventually(lambda: source.answers >= 1)
        assert issuer.requests == 1


async def test_keys_are_fetched_again_when_their_time_is_over(issuer):
    async with fetching(issuer.url, ttl=0.01) as source:
        await eventually(lambda: source.counters.fetched >= 3)


async def test_keys_that_the_issuer_withdraws_are_not_used_any_more(issuer):
    async with fetching(issuer.url, ttl=0.01) as source:
        await eventually(lambda: source.counters.fetched >= 1)
        issuer.body = jwks()
        await eventually(lambda: isinstance(source.find("RS256", "k"), NeedsKeys))


async def test_known_keys_stay_in_use_while_the_issuer_is_away_and_it_is_asked_again(issuer):
    async with fetching(issuer.url, ttl=0.01) as source:
        await eventually(lambda: source.counters.fetched >= 1)
        issuer.status = 503
        await eventually(lambda: source.counters.failed >= 2)
        assert source.find("RS256", "k") == private("RS256").public_key()
        assert not source.find("RS256", "other").heard
        issuer.status = 200
        fetched = source.counters.fetched
        await eventually(lambda: source.counters.fetched > fetched)


async def test_an_issuer_that_is_not_there_is_a_failure_and_no_end(unused_tcp_port):
    async with fetching(f"http://127.0.0.1:{unused_tcp_port}/keys") as source:
        await eventually(lambda: source.answers >= 2)
        assert source.counters.failed >= 2
        assert not source.find("RS256", "k").heard


async def test_an_issuer_that_answers_too_slowly_is_a_failure(issuer):
    issuer.hold.clear()
    async with fetching(issuer.url, timeout=0.05) as source:
        await eventually(lambda: source.counters.failed >= 1)


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        (b"<html>", 200, {}),
        (b'{"keys": []}' + b" " * MAX_BODY, 200, {}),
        (b"", 302, {"Location": "/elsewhere"}),
        (jwks(jwk("RS256", kid="k")), 404, {}),
        (b"\x1f\x8b\x08\x00garbage", 200, {"Content-Encoding": "gzip"}),
    ],
)
async def test_an_answer_that_is_no_jwks_changes_nothing(issuer, body, status, headers):
    async with fetching(issuer.url, ttl=0.01) as source:
        await eventually(lambda: source.counters.fetched >= 1)
        issuer.body, issuer.status, issuer.headers = body, status, headers
        await eventually(lambda: source.counters.failed >= 1)
        assert source.find("RS256", "k") == private("RS256").public_key()


async def test_a_redirect_is_not_followed(issuer):
    issuer.status, issuer.headers = 302, {"Location": issuer.url}
    async with fetching(issuer.url, interval=30) as source:
        await eventually(lambda: source.counters.failed == 1)
        assert issuer.requests == 1


async def test_a_log_line_names_the_issuer_without_the_password_to_it(issuer, caplog):
    issuer.status = 500
    url = issuer.url.replace("http://", "http://us:hunter2@") + "?key=hunter3"
    async with fetching(url, interval=30) as source:
        await eventually(lambda: source.counters.failed == 1)
    assert issuer.url in caplog.text
    assert "hunter" not in caplog.text


@pytest.mark.parametrize(
    ("url", "told"), [("http://issuer.invalid/keys", True), ("https://issuer.invalid/keys", False)]
)
async def test_an_issuer_that_is_asked_without_tls_is_told_of(url, told, caplog):
    async with fetching(url):
        assert ("without TLS" in caplog.text) == told


async def test_stopping_in_the_middle_of_a_fetch_is_quick_and_clean(issuer):
    issuer.hold.clear()
    async with fetching(issuer.url):
        await eventually(lambda: issuer.requests == 1)
