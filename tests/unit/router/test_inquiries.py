"""Questions about logs, and that many who ask cost little more than one."""

import pytest

from router.inquiries import (
    LONGEST_AWAY,
    MAX_ANSWER_BYTES,
    MAX_ENTRIES,
    MAX_HEADS,
    MIN_ANSWER_BYTES,
    SLACK,
    TURN_BYTES,
    TURN_HEADS,
)
from router.settings import TopicRule
from shared.codes import CloseCode
from shared.envelopes import (
    Fetched,
    FetchRequest,
    Grown,
    GrownRequest,
    Head,
    HistoryRead,
    HistoryRequest,
    Published,
    Refused,
    SubscribeAllowed,
    SubscribeRequest,
)
from shared.store.port import MAX_RECENT, Read
from tests.unit.router import builders
from tests.unit.router.builders import NOW, conclude, entries, event, frames, grant, publish, replies
from tests.unit.router.shelf import Shelf

ADA = (grant(),)
RULES = (TopicRule(match="live.#", history=0), TopicRule(match="slow.#", history_ttl=900))
LONGEST = 900


def turn(store, *requests, events=(), grants=ADA, rules=RULES):
    """What becomes of events, and of requests that come with them."""
    pipeline = builders.pipeline(*rules)
    return conclude(pipeline, pipeline.plan([*events, frames(*requests, grants=grants)], NOW), store)


def answer(store, request, **more):
    [reply] = replies(turn(store, request, **more))
    return reply


def refused(store, request, **more):
    reply = answer(store, request, **more)
    assert isinstance(reply, Refused), reply
    return reply


def filled(**topics):
    """A store whose topics hold so many entries each."""
    store = Shelf()
    turn(store, events=[event(topic, str(n).encode()) for topic, many in topics.items() for n in range(1, many + 1)])
    return store


def subscribe(topic, **more):
    return SubscribeRequest(**({"session": 1, "id": 2, "grant": 0, "topic": topic} | more))


def fetch(topic, after=0, limit=100):
    return FetchRequest(1, 2, topic, after, limit)


def history(topic, limit=100, before=None, after=None, grant=0):
    return HistoryRequest(1, 2, grant, topic, limit, before, after)


def payloads(reply):
    return [entry.payload for entry in reply.entries]


# subscribing to a topic


@pytest.mark.parametrize("resume", [True, False])
def test_who_subscribes_is_told_where_the_log_stands_and_the_gateway_decides_what_was_recovered(resume):
    assert answer(filled(a=3), subscribe("a", resume=resume)) == SubscribeAllowed(1, 2, "a", "e1", 3)


def test_a_topic_that_nobody_has_published_on_stands_at_its_beginning():
    assert answer(Shelf(), subscribe("a")) == SubscribeAllowed(1, 2, "a", "e1", 0)


def test_what_is_appended_in_the_same_turn_is_before_the_head_and_is_delivered():
    deeds = turn(filled(a=3), subscribe("a", id=1), publish("a", id=2), subscribe("a", id=3), events=[event("a")])
    heads = [reply.offset for reply in replies(deeds) if isinstance(reply, SubscribeAllowed)]
    assert heads == [5, 5]
    assert [entry.offset for entry in entries(deeds)] == [4, 5]


def test_a_log_is_read_once_a_turn_however_many_ask():
    store = filled(a=1, b=2)
    deeds = turn(store, *(subscribe("ab"[n % 2], session=n) for n in range(100)), fetch("a", limit=0))
    assert store.reads == [[Read("a"), Read("b")]]
    assert len(replies(deeds)) == 101


def test_a_turn_in_which_nobody_asks_reads_nothing():
    store = Shelf()
    turn(store, publish("a"), subscribe("live.1"), subscribe("a.*"))
    assert (store.reads, store.spans) == ([], [])


# subscribing to a pattern


def test_who_comes_back_to_a_pattern_is_told_of_the_logs_that_grew():
    store = filled(**{"orders.1": 2, "orders.2": 1, "chat": 1})
    reply = answer(store, subscribe("orders.*", resume=True, within=10.0))
    assert reply == SubscribeAllowed(1, 2, "orders.*", heads=reply.heads, at=int(NOW * 1000))
    assert set(reply.heads) == {Head("orders.1", "e1", 2), Head("orders.2", "e1", 1)}
    assert store.spans == [10.0 + SLACK]


def test_topics_whose_history_has_been_given_up_are_not_told():
    store = filled(**{"a.1": 1, "a.2": 1})
    reply = answer(store, subscribe("a.*", within=1.0), rules=(TopicRule(match="a.2", history=0),))
    assert reply.heads == (Head("a.1", "e1", 1),)


def test_nothing_grew_is_something_else_than_not_to_know():
    assert answer(Shelf(), subscribe("a.*", resume=True, within=1.0)).heads == ()
    assert answer(Shelf(), subscribe("a.*", resume=True)).heads is None


def test_the_store_is_asked_once_a_turn_for_the_longest_time_and_reads_each_log_once():
    store = filled(**{"a.1": 1, "a.2": 1})
    requests = [subscribe(pattern, session=n, within=float(n)) for n in range(20) for pattern in ("a.*", "#", "a.1.#")]
    deeds = turn(store, *requests)
    assert store.spans == [19.0 + SLACK]
    assert [sorted(read.topic for read in reads) for reads in store.reads] == [["a.1", "a.2"]]
    assert {len(reply.heads) for reply in replies(deeds)} == {1, 2}


@pytest.mark.parametrize("within", [LONGEST_AWAY + 0.5, -SLACK, float("inf"), float("-inf"), float("nan"), -1e300])
def test_of_a_time_that_the_store_does_not_reach_back_to_nothing_is_told_and_nobody_else_suffers(within):
    store = filled(**{"a.1": 1})
    deeds = turn(store, subscribe("a.*", id=1, resume=True, within=within), subscribe("a.*", id=2, within=5.0))
    cannot, can = sorted(replies(deeds), key=lambda reply: reply.id)
    assert (cannot.heads, cannot.recovered) == (None, False)
    assert can.heads == (Head("a.1", "e1", 1),)
    assert store.spans == [5.0 + SLACK]


@pytest.mark.parametrize("within", [LONGEST + 0.5, LONGEST_AWAY])
def test_that_nothing_grew_is_known_for_longer_than_anything_is_kept(within):
    reply = answer(Shelf(), subscribe("a.*", resume=True, within=within))
    assert (reply.heads, reply.recovered) == ((), None)


def test_who_was_away_for_long_costs_nobody_else_what_they_are_told():
    """More topics grew in a day than one answer tells of, and few of them just now."""
    store = grown(MAX_HEADS + 1)
    tell = store.recent

    async def recent(within, now):
        told = await tell(within, now)
        return told if within > LONGEST + SLACK else told[:3]

    store.recent = recent
    requests = [subscribe("a.*", id=id, resume=True, within=within) for id, within in ((1, 5.0), (2, LONGEST + 1.0))]
    near, far = sorted(replies(turn(store, *requests)), key=lambda reply: reply.id)
    assert (len(near.heads), far.heads, far.recovered) == (3, None, False)
    assert store.spans == [5.0 + SLACK, LONGEST + 1.0 + SLACK]


def test_who_comes_back_where_nothing_keeps_a_history_is_told_that_nothing_was_recovered(monkeypatch):
    monkeypatch.setattr(builders, "DEFAULT_RULE", TopicRule(match="#", history=0))
    reply = answer(Shelf(), subscribe("a.*", resume=True, within=1.0), rules=())
    assert (reply.heads, reply.recovered) == (None, False)


def test_clocks_that_differ_a_little_are_forgiven():
    assert answer(filled(**{"a.1": 1}), subscribe("a.*", within=-2.5)).heads == (Head("a.1", "e1", 1),)


def grown(many):
    store = Shelf()
    store.grown = [f"a.{n}" for n in range(many)]
    return store


def test_more_logs_than_one_answer_holds_are_not_told():
    assert len(answer(grown(MAX_HEADS), subscribe("a.*", within=1.0)).heads) == MAX_HEADS
    reply = answer(grown(MAX_HEADS + 1), subscribe("a.*", resume=True, within=1.0))
    assert (reply.heads, reply.recovered) == (None, False)


def test_of_more_logs_than_the_store_tells_of_no_pattern_has_all():
    store = grown(MAX_RECENT)
    assert answer(store, subscribe("a.7", within=1.0, resume=True)).offset == 0
    assert answer(store, subscribe("a.7.#", within=1.0, resume=True)).heads is None


def test_heads_that_one_turn_has_no_room_for_are_to_be_asked_for_again():
    store = grown(MAX_HEADS)
    many = TURN_HEADS // MAX_HEADS
    answers = replies(turn(store, *(subscribe("a.*", session=n, within=1.0) for n in range(many + 3))))
    told = [reply for reply in answers if isinstance(reply, SubscribeAllowed)]
    assert len(told) == many
    assert {(reply.code, reply.retry_after) for reply in answers if isinstance(reply, Refused)} == {("overloaded", 1.0)}


def test_of_a_time_before_the_store_lost_its_logs_a_client_is_told_what_has_grown_since_and_a_gateway_nothing():
    store = grown(3)
    store.remembered_for = 5.0
    long_ago = answer(store, subscribe("a.*", resume=True, within=6.0))
    assert (len(long_ago.heads), long_ago.recovered) == (3, False)
    recent = answer(store, subscribe("a.*", resume=True, within=4.0))
    assert (len(recent.heads), recent.recovered) == (3, None)
    late = subscribe("a.*", resume=True, within=4.0, at=int((NOW - 6.0) * 1000))
    assert answer(store, late).recovered is False, "it was long on its way"
    assert answer(store, GrownRequest(-4, 2, "a.*", 6.0)).heads is None


def test_a_gateway_is_told_of_more_logs_than_a_client():
    reply = answer(grown(MAX_HEADS + 1), GrownRequest(-4, 2, "a.*", 1.0))
    assert isinstance(reply, Grown)
    assert (reply.session, reply.id, reply.topic, reply.at) == (-4, 2, "a.*", int(NOW * 1000))
    assert reply.heads is not None
    assert len(reply.heads) == MAX_HEADS + 1


def test_a_gateway_is_told_where_there_are_too_many():
    assert answer(grown(MAX_RECENT), GrownRequest(-4, 2, "a.*", 1.0)) == Grown(-4, 2, "a.*", None, int(NOW * 1000))


def test_a_gateway_is_told_of_no_longer_time_than_anything_is_kept():
    pipeline = builders.pipeline(*RULES)
    for within, asked in ((1e9, LONGEST), (-5.0, 0.0), (7.0, 7.0)):
        plan = pipeline.plan([frames(GrownRequest(-4, 2, "a.*", within), grants=())], NOW)
        assert pipeline.spans(plan) == [asked + SLACK]


# fetching


def test_a_gateway_fetches_what_its_sessions_missed():
    reply = answer(filled(a=5), fetch("a", after=2))
    assert (reply.topic, reply.epoch, reply.head, reply.first) == ("a", "e1", 5, 1)
    assert [(entry.offset, entry.epoch, entry.payload) for entry in reply.entries] == [
        (3, "e1", b"3"),
        (4, "e1", b"4"),
        (5, "e1", b"5"),
    ]


def test_a_gateway_that_asks_for_nothing_is_told_where_the_log_stands():
    assert answer(filled(a=5), fetch("a", after=2, limit=0)) == Fetched(1, 2, "a", "e1", 5, 1, [])


@pytest.mark.parametrize(("after", "limit"), [(-5, 2), (0, 2)])
def test_of_more_than_was_asked_for_the_first_come(after, limit):
    store = filled(a=5)
    assert payloads(answer(store, fetch("a", after, limit))) == [b"1", b"2"]
    assert [read.after for read in store.reads[0]] == [0]


def test_one_answer_holds_a_bounded_number_and_a_bounded_size():
    store = filled(a=1)
    turn(store, fetch("a", limit=10**9))
    [[read]] = store.reads
    assert (read.limit, read.max_bytes) == (MAX_ENTRIES, MAX_ANSWER_BYTES)


def test_where_many_ask_each_is_given_less_so_that_a_turn_is_bounded():
    def share(askers):
        store = filled(a=1)
        turn(store, *(fetch("a", after=n, limit=5) for n in range(askers)))
        return {read.max_bytes for read in store.reads[0]}

    assert share(1) == {MAX_ANSWER_BYTES}
    assert share(1000) == {TURN_BYTES // 1000}
    assert share(TURN_BYTES // MIN_ANSWER_BYTES + 1000) == {MIN_ANSWER_BYTES}


def test_a_topic_without_history_has_nothing_to_fetch():
    assert refused(Shelf(), fetch("live.1")).code == "not_found"
    assert refused(Shelf(), fetch("a.*")).code == "bad_request"
    assert refused(Shelf(), fetch("a b")).code == "bad_request"


# history


def test_history_is_the_last_that_was_kept():
    reply = answer(filled(a=5), history("a", 2))
    assert reply == HistoryRead(1, 2, "a", "e1", 5, reply.entries)
    assert [(entry.offset, entry.epoch, entry.payload) for entry in reply.entries] == [(4, "e1", b"4"), (5, "e1", b"5")]


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ({"before": 4}, [b"2", b"3"]),
        ({"after": 1}, [b"2", b"3"]),
        ({"after": 0}, [b"1", b"2"]),
        ({"after": 1, "before": 3}, [b"2"]),
        ({"after": 5}, []),
        ({"before": 1}, []),
    ],
)
def test_history_is_read_backwards_from_an_offset_or_forwards_from_one(window, found):
    assert payloads(answer(filled(a=5), history("a", 2, **window))) == found


def test_history_needs_the_right_to_subscribe():
    reply = refused(filled(a=1), history("a"), grants=(grant(subscribe=("b",)),))
    assert (reply.code, reply.close) == ("forbidden", None)


def test_history_is_of_one_topic():
    reply = refused(Shelf(), history("a.*"))
    assert reply.code == "bad_request"
    assert "pattern" in reply.reason
    assert refused(Shelf(), history("a b")).code == "bad_request"


def test_a_topic_without_history_says_so_to_those_who_may_hear_it():
    reply = refused(Shelf(), history("live.1"))
    assert (reply.code, reply.reason) == (
        "not_found",
        "live.1 keeps no history: its messages are for those who are there",
    )
    assert refused(Shelf(), history("live.1"), grants=(grant(subscribe=()),)).code == "forbidden"


@pytest.mark.parametrize("limit", [0, -1, 1001, 2**62])
def test_history_has_bounds(limit):
    assert refused(Shelf(), history("a", limit)).code == "bad_request"


def test_history_ends_with_the_token():
    plan = builders.pipeline().plan([frames(history("a"), grants=ADA)], NOW + 3600 + 5)
    [reply] = plan.replies[builders.GATEWAY]
    assert (reply.code, reply.close) == ("unauthenticated", CloseCode.TOKEN_EXPIRED)


# trouble


def test_what_could_not_be_read_is_to_be_asked_for_again():
    pipeline = builders.pipeline(*RULES)
    requests = [
        subscribe("a"),
        subscribe("a.*", within=1.0),
        fetch("a"),
        history("a"),
        subscribe("live.1"),
        subscribe("#"),
    ]
    plan = pipeline.plan([frames(*requests, grants=ADA)], NOW)
    pipeline.reads(plan, [], [None])
    answers = replies(pipeline.conclude(plan, [], {}))
    refusals = [reply for reply in answers if isinstance(reply, Refused)]
    assert [(reply.code, reply.retry_after) for reply in refusals] == [("unavailable", 2.0)] * 4
    assert {reply.topic for reply in answers if isinstance(reply, SubscribeAllowed)} == {"live.1", "#"}


def test_a_log_that_cannot_be_understood_costs_those_who_read_it_and_nobody_else():
    store = filled(a=1)
    store.logs["b"], store.heads["b"] = [(1, b"\xc1")], 1
    deeds = turn(store, fetch("b"), fetch("a"), publish("a"))
    assert [reply.code for reply in replies(deeds) if isinstance(reply, Refused)] == ["internal"]
    assert [type(reply) for reply in replies(deeds) if not isinstance(reply, Refused)] == [Published, Fetched]
