"""The small parts: settings, tokens, positions, jitter."""

import pytest

from penstock_client import Settings, errors
from penstock_client.backoff import full_jitter
from penstock_client.positions import Position, Positions
from penstock_client.tokens import TokenSource


@pytest.mark.parametrize("chance", [0.0, 0.3, 0.999999])
def test_jitter_stays_between_zero_and_its_bound(chance):
    for attempt in [*range(12), 10_000]:
        assert 0 <= full_jitter(attempt, chance) <= min(20.0, 0.5 * 2 ** min(attempt, 20))
    assert full_jitter(0, chance) == chance * 0.5
    assert full_jitter(10_000, chance) == chance * 20


@pytest.mark.parametrize(
    "settings",
    [
        {"codec": "xml"},
        {"name": "n" * 65},
        {"silence": 0},
        {"open_timeout": -1},
        {"max_in_flight": 0},
        {"max_send_size": float("nan")},
        {"max_in_flight": 2000},
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(settings):
    with pytest.raises(errors.InvalidArgument):
        Settings(**settings)


@pytest.mark.parametrize("token", ["", "a\nb", "ä", "x" * 8193, None, 7, b"bytes"])
def test_a_token_that_cannot_be_one_is_refused_and_not_repeated(token):
    with pytest.raises(errors.InvalidArgument) as caught:
        TokenSource(token)
    assert "x" * 10 not in str(caught.value)


async def test_a_provider_may_be_plain_or_async():
    async def get_token():
        return "async"

    assert await TokenSource(lambda: "plain").fetch() == "plain"
    assert await TokenSource(get_token).fetch() == "async"


@pytest.mark.parametrize("returned", [None, "", 7, "a\nb"])
async def test_a_provider_that_returns_no_token_is_a_failed_try(returned):
    with pytest.raises(errors.TokenUnavailable):
        await TokenSource(lambda: returned).fetch()


async def test_a_provider_that_raises_is_a_failed_try_unless_it_says_stop():
    def broken():
        raise OSError("no route")

    def signed_out():
        raise errors.AuthenticationError("signed out")

    with pytest.raises(errors.TokenUnavailable, match="no route"):
        await TokenSource(broken).fetch()
    with pytest.raises(errors.AuthenticationError, match="signed out"):
        await TokenSource(signed_out).fetch()


def test_positions_forget_the_topic_longest_without_news():
    positions = Positions(limit=2)
    for topic in ("a", "b", "a", "c"):
        positions.note(topic, "e", 1)
    assert len(positions) == 2
    assert positions.get("b") is None
    assert positions.get("a") == Position("e", 1)


def test_positions_never_go_back_within_an_epoch():
    positions = Positions()
    positions.note("a", "e", 5)
    positions.note("a", "e", 4)
    assert positions.get("a") == Position("e", 5)
    positions.note("a", "f", 1)
    assert positions.get("a") == Position("f", 1)
    positions.note("a", None, 9)
    positions.note("b", "e", None)
    assert positions.get("a") == Position("f", 1)
    assert positions.get("b") is None
