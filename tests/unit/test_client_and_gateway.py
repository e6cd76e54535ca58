"""The Python client and the gateway understand each other, whatever the order in which things happen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from penstock_client import errors
from penstock_client.effects import Deliver, Fail, FetchToken, Reconnect, Resolve, StateChanged, Stop, Subscribed
from penstock_client.effects import End as Ended
from penstock_client.messages import Gap, Message

from gateway.effects import Ask, End
from shared import frames
from shared.codes import CloseCode, may_come_back
from shared.envelopes import AnyReply, Entry, PublishRequest
from tests.support.pair import Pair, Router

CODECS = ["json", "msgpack"]


@pytest.fixture(params=CODECS)
async def pair(request: pytest.FixtureRequest) -> Pair:
    """A client that is connected."""
    return Pair(request.param).online()


async def test_a_client_connects_and_both_know_who_is_there(pair: Pair) -> None:
    assert pair.client.state == "connected"
    assert pair.gateway.user == "ann"
    assert pair.gateway.grant == b"good"


async def test_a_subscriber_hears_what_is_published_and_who_it_was(pair: Pair) -> None:
    pair.subscribe(1, "orders.*")
    pair.settle()
    pair.publish(7, "orders.new", {"n": [1, "ä", None]})
    pair.publish(8, "elsewhere", 1)
    pair.settle()
    assert pair.of(Subscribed) == [Subscribed(1)]
    assert [each.request for each in pair.of(Resolve)] == [7, 8]
    heard = Message("orders.new", {"n": [1, "ä", None]}, at=0, key="key-7", sender="ann")
    assert pair.of(Deliver) == [Deliver(1, heard)]


async def test_bytes_travel_where_the_dialect_has_them() -> None:
    pair = Pair("msgpack").online()
    pair.subscribe(1, "raw")
    pair.settle()
    pair.publish(7, "raw", b"\x00\xff")
    pair.settle()
    assert pair.delivered == [b"\x00\xff"]


async def test_events_of_back_ends_reach_all_that_follow_them_once_each(pair: Pair) -> None:
    pair.subscribe(1, "orders.eu.new")
    pair.subscribe(2, "orders.#")
    pair.subscribe(3, "orders.#")
    pair.settle()
    pair.emit("orders.eu.new", b'{"n":1}')
    pair.emit("orders.us.new", b"2")
    pair.emit("chat", b"3")
    pair.settle()
    heard = [(each.subscriber, each.item.data) for each in pair.of(Deliver)]
    assert heard == [(1, {"n": 1}), (2, {"n": 1}), (3, {"n": 1}), (2, 2), (3, 2)]


async def test_what_comes_while_a_router_is_asked_is_heard_after_subscribed_in_order(pair: Pair) -> None:
    pair.subscribe(1, "a.*")
    pair.step_up()
    pair.emit("a.b", b"1")
    pair.step_bind()
    pair.emit("a.b", b"2")
    pair.step_route()
    pair.emit("a.b", b"3")
    pair.settle()
    assert pair.of(Subscribed) == [Subscribed(1)]
    assert pair.delivered == [1, 2, 3]


async def test_many_requests_in_one_message_are_answered_one_by_one(pair: Pair) -> None:
    for number in range(100):
        pair.publish(number, "a", number)
    assert pair.step_up(frames=128)
    assert not pair.step_up()
    pair.settle()
    assert [each.request for each in pair.of(Resolve)] == list(range(100))


async def test_what_the_token_does_not_allow_is_told_to_whoever_asked() -> None:
    pair = Pair(token="narrow").online()
    pair.publish(7, "secret.plan")
    pair.subscribe(1, "#")
    pair.settle()
    (failed,) = pair.of(Fail)
    assert isinstance(failed.error, errors.Forbidden)
    assert failed.request == 7
    (ended,) = pair.of(Ended)
    assert ended.subscriber == 1
    assert "forbidden" in str(ended.error)
    assert pair.gateway.topics == {}
    assert pair.client.state == "connected"


async def test_a_rate_limit_is_waited_out_by_subscriptions_and_publishers(pair: Pair) -> None:
    pair.router.busy = 2
    pair.publish(7, "a")
    pair.subscribe(1, "a")
    pair.settle()
    assert pair.of(Fail) == pair.of(Resolve) == pair.of(Subscribed) == []
    pair.wait(2)
    assert pair.of(Subscribed) == [Subscribed(1)]
    assert [each.request for each in pair.of(Resolve)] == [7]


async def test_a_rate_limit_longer_than_a_publisher_waits_is_told_to_it(pair: Pair) -> None:
    pair.do(pair.client.publish(7, "a", 1, "key", pair.now, 2.0))
    pair.router.busy = 1
    pair.settle()
    (failed,) = pair.of(Fail)
    assert isinstance(failed.error, errors.RateLimited)
    assert failed.error.retry_after == 2.0


async def test_what_no_router_answers_is_known_to_be_unknown_and_a_late_answer_is_dropped(pair: Pair) -> None:
    pair.do(pair.client.publish(7, "a", 1, "key", pair.now, 4.5))
    pair.step_up()
    silent, pair.router.asks = pair.router.asks, type(pair.router.asks)()
    pair.wait(4)
    (failed,) = pair.of(Fail)
    assert isinstance(failed.error, errors.OutcomeUnknown)
    pair.router.asks = silent
    pair.settle()
    assert pair.counters.late_replies == 1
    assert pair.of(Resolve) == []
    assert pair.client.state == "connected"


async def test_an_idle_connection_lives_on_pings_alone(pair: Pair) -> None:
    pair.wait(300)
    assert pair.client.state == "connected"
    assert pair.client.counters.losses == 0


async def test_a_client_that_hears_nothing_is_given_up_by_both_and_comes_back(pair: Pair) -> None:
    pair.subscribe(1, "a")
    pair.settle()
    pair.wait(36, deaf=True)
    assert pair.gateway.has_ended, "no pong came"
    assert pair.client.counters.silences == 1
    pair.settle()
    assert pair.client.state == "waiting"
    pair.come_back()
    pair.emit("a", b"1")
    pair.settle()
    assert [type(each.item) for each in pair.of(Deliver)] == [Gap, Message]


class TestTokens:
    async def test_a_token_is_renewed_before_it_ends_and_nothing_else_changes(self) -> None:
        pair = Pair(token=None, renewable=True)
        pair.router.expires_in = 60
        assert pair.client.needs_token(pair.now)
        pair.do(pair.client.token_obtained("good", pair.now))
        pair.online()
        for _ in range(10):
            pair.wait(50)
            assert pair.of(FetchToken), "at 80 % of its life"
            pair.saw.clear()
            pair.do(pair.client.token_obtained("renewed", pair.now))
            pair.settle()
        assert pair.gateway.grant == b"renewed"
        assert pair.client.counters.renewals == 10
        assert pair.client.counters.losses == 0

    async def test_a_token_that_ends_stops_a_client_that_has_no_other(self) -> None:
        pair = Pair()
        pair.router.expires_in = 30
        pair.online()
        pair.wait(31)
        (stopped,) = pair.of(Stop)
        assert isinstance(stopped.error, errors.TokenExpired)
        assert pair.client.state == "closed"

    async def test_a_token_that_ends_brings_back_a_client_that_can_have_another(self) -> None:
        pair = Pair(token=None, renewable=True)
        pair.router.expires_in = 30
        pair.do(pair.client.token_obtained("good", pair.now))
        pair.online()
        pair.wait(31)  # the provider says nothing
        assert pair.client.state == "waiting"
        assert pair.client.needs_token(pair.now)
        pair.do(pair.client.token_obtained("renewed", pair.now))
        pair.come_back()
        assert pair.client.state == "connected"

    async def test_a_bad_token_stops_the_client_with_the_reason(self) -> None:
        pair = Pair(token="bad").online()
        (stopped,) = pair.of(Stop)
        assert isinstance(stopped.error, errors.BadToken)
        assert "a bad token" in str(stopped.error)

    async def test_a_narrower_token_ends_what_it_does_not_cover_and_keeps_the_rest(self) -> None:
        pair = Pair(token="good", renewable=True).online()
        pair.subscribe(1, "secret.a")
        pair.subscribe(2, "public.a")
        pair.settle()
        pair.do(pair.client.token_obtained("narrow", pair.now))
        pair.settle()
        if pair.client.state == "waiting":  # the gateway does not say which; the client asks for all anew
            pair.come_back()
        (ended,) = pair.of(Ended)
        assert ended.subscriber == 1
        pair.saw.clear()
        pair.emit("secret.a", b"1")
        pair.emit("public.a", b"2")
        pair.settle()
        assert pair.delivered == [2]


class TestEnds:
    @pytest.mark.parametrize("code", CloseCode)
    async def test_the_range_of_a_close_code_says_whether_the_client_comes_back(self, code: CloseCode) -> None:
        pair = Pair().online()
        pair.subscribe(1, "a")
        pair.settle()
        pair.gateway_says(End(code, "because"))
        pair.settle()
        assert pair.gateway.has_ended
        if may_come_back(code):
            assert pair.of(Stop) == []
            pair.come_back()
            assert pair.gateway.topics == {"a": None}, "subscribed again, and live"
        else:
            (stopped,) = pair.of(Stop)
            assert "because" in str(stopped.error)
            assert [each.subscriber for each in pair.of(Ended)] == [1]

    async def test_a_gateway_that_drains_is_left_and_come_back_from_when_it_says(self, pair: Pair) -> None:
        pair.wait(5)
        for drained in (0.25, 0.5, 0.75):
            pair.gateway_says(frames.Reconnect(after=drained), End(CloseCode.DRAIN, "bye"))
            pair.settle()
            assert pair.of(Reconnect)[-1].after == pytest.approx(drained), "no backing off"
            pair.come_back()
            pair.wait(5)

    async def test_degraded_and_restored_are_states_that_keep_everything(self, pair: Pair) -> None:
        pair.subscribe(1, "a")
        pair.settle()
        pair.gateway_says(frames.Degraded(reason="the broker is away"))
        pair.settle()
        assert pair.client.state == "degraded"
        pair.emit("a", b"1")
        pair.gateway_says(frames.Restored())
        pair.settle()
        assert [each.state.value for each in pair.of(StateChanged)][-3:] == ["connected", "degraded", "connected"]
        assert pair.delivered == [1]

    async def test_a_client_that_leaves_takes_its_subscriptions_along(self, pair: Pair) -> None:
        pair.subscribe(1, "a")
        pair.settle()
        pair.do(pair.client.close())
        pair.settle()
        pair.emit("a", b"1")
        assert pair.gateway.has_ended
        assert pair.counters.messages_unheard == 1

    async def test_a_publish_that_the_connection_was_lost_over_is_sent_again_with_its_key(self, pair: Pair) -> None:
        pair.publish(7, "a")
        pair.step_up()
        pair.break_off()
        pair.step_down()
        assert pair.of(Fail) == []
        pair.router.asks.clear()
        pair.now += pair.of(Reconnect)[-1].after
        pair.dial()
        while not pair.router.asks or not isinstance(pair.router.asks[-1].request, PublishRequest):
            assert pair.step_up() or pair.step_route() or pair.step_down()
        assert pair.router.asks[-1].request.key == "key-7"
        pair.settle()
        assert [each.request for each in pair.of(Resolve)] == [7]


MOST_SUBSCRIBERS = 14
MOVES = [
    *("up", "up one", "down", "down", "down", "bind", "bind", "route", "route"),
    *("subscribe", "subscribe", "unsubscribe", "publish", "event", "event", "break"),
]
"""What can happen next; what is here twice is twice as likely."""


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(codec=st.sampled_from(CODECS), moves=st.lists(st.sampled_from(MOVES), min_size=40, max_size=120))
async def test_in_any_order_of_things_nothing_is_lost_doubled_or_left_unanswered(codec: str, moves: list[str]) -> None:
    world = World(codec)
    for move in moves:
        world.take(move)
    world.finish()


class Follower:
    """One subscriber, by its number; each has another pattern, all of which match the topic."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pattern = "#." * (number - 1) + "a.b"
        self.owed: list[int] = []
        """What was sent since a router said yes, on the present connection."""


class World:
    """A pair, and what must be true of it: up to three follow the topic that is published on."""

    def __init__(self, codec: str) -> None:
        self.pair = Pair(codec).online()
        self.pair.router.answer = self._answer  # type: ignore[method-assign]
        self.keys: set[str] = set()
        self.followers: list[Follower] = []
        self.subscribers = 0
        self.published = 0
        self.numbers = 0

    def take(self, move: str) -> None:
        pair = self.pair
        match move:
            case "up":
                pair.step_up()
            case "up one":
                pair.step_up(frames=1)
            case "down":
                pair.step_down()
            case "bind":
                pair.step_bind()
            case "route":
                self._route()
            case "subscribe" if len(self.followers) < 3 and self.subscribers < MOST_SUBSCRIBERS:
                self.subscribers += 1
                follower = Follower(self.subscribers)
                self.followers.append(follower)
                pair.subscribe(follower.number, follower.pattern)
            case "unsubscribe" if self.followers:
                leaver = self.followers.pop(0)
                self._check(leaver)
                pair.do(pair.client.unsubscribe(leaver.number))
            case "publish" if pair.client.has_room:
                self.numbers += 1
                self.published += 1
                pair.publish(self.published, "a.b", {"published": self.numbers})
            case "event":
                self.numbers += 1
                self._owe(self.numbers)
                pair.emit("a.b", b'{"emitted":%d}' % self.numbers)
            case "break" if pair.client.state == "connected":
                pair.break_off()
                pair.step_down()
                for follower in self.followers:
                    follower.owed.clear()
                pair.saw = [each for each in pair.saw if not isinstance(each, Deliver)]
                pair.now += pair.of(Reconnect)[-1].after
                pair.dial()

    def finish(self) -> None:
        """Let everything come to rest; then each publish has one answer, and each follower what it is owed."""
        while any((self.pair.step_up(), self.pair.step_bind(), self._route(), self.pair.step_down())):
            pass
        for follower in self.followers:
            assert self._check(follower) == follower.owed, "lost"
        answers = [each.request for each in self.pair.saw if isinstance(each, Resolve | Fail)]
        assert sorted(answers) == list(range(1, self.published + 1))
        assert self.pair.client.state == "connected"

    def _route(self) -> bool:
        request: Any = self.pair.router.asks[0].request if self.pair.router.asks else None
        if isinstance(request, PublishRequest) and request.key not in self.keys:
            self._owe(_number(self.pair.codec.decode(request.payload)))
        return self.pair.step_route()

    def _answer(self, ask: Ask) -> tuple[list[Entry], AnyReply]:
        """Answer like a router with a store: what has the key of another has no effect."""
        entries, reply = Router.answer(self.pair.router, ask)
        if isinstance(ask.request, PublishRequest) and ask.request.key is not None:
            entries = [] if ask.request.key in self.keys else entries
            self.keys.add(ask.request.key)
        return entries, reply

    def _owe(self, number: int) -> None:
        topics = self.pair.gateway.topics
        for follower in self.followers:
            if topics.get(follower.pattern, "not there") is None:
                follower.owed.append(number)

    def _check(self, follower: Follower) -> list[int]:
        """Return what came of what is owed: its beginning, whatever else is on its way still."""
        mine = [each.item for each in self.pair.of(Deliver) if each.subscriber == follower.number]
        came = [_number(item.data) for item in mine if isinstance(item, Message)]
        assert len(set(came)) == len(came), "doubled"
        due = [number for number in came if number in follower.owed]
        assert due == follower.owed[: len(due)], "out of order, or lost on the way"
        return due


def _number(data: dict[str, int]) -> int:
    (number,) = data.values()
    return number
