"""Each request of a client, and its answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.keys import NeedsKeys, OneKey
from router.plan import Asker, Plan
from router.refusals import no_keys
from router.settings import TopicRule
from router.tokens import Verifier
from shared.codes import CloseCode
from shared.envelopes import (
    ConnectRequest,
    Encoding,
    Granted,
    Probed,
    ProbeRequest,
    Published,
    Refreshed,
    RefreshRequest,
    Refused,
    Slow,
    SubscribeAllowed,
    SubscribeRequest,
    read_grant,
)
from shared.errors import TokenRefused
from tests.unit.router import builders
from tests.unit.router.builders import GATEWAY, NOW, SECRET, conclude, entries, frames, grant, publish, replies, token
from tests.unit.router.shelf import Shelf

ADA = (grant(),)


class Keys:
    """A key source that answers what it is told to."""

    def __init__(self, *answers):
        self._answers = list(answers)

    def find(self, algorithm, kid):
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def pipeline_with(*answers):
    return builders.pipeline(verifier=Verifier(Keys(*answers), ("HS256",)))


UNLOGGED = TopicRule(match="live.#", history=0)


def done(*requests, grants=ADA, pipeline=None, now=NOW, store=None):
    """What becomes of requests that the store admits."""
    pipeline = pipeline or builders.pipeline(UNLOGGED)
    return conclude(pipeline, pipeline.plan([frames(*requests, grants=grants)], now), store)


def answer(request, **more):
    [reply] = replies(done(request, **more))
    return reply


def refused(request, **more):
    reply = answer(request, **more)
    assert isinstance(reply, Refused), reply
    return reply


def connect(text, **more):
    return ConnectRequest(**({"session": 1, "id": 2, "token": text, "address": "::1"} | more))


def refresh(text, *topics, grant=0):
    return RefreshRequest(1, 2, grant, text, topics)


def test_a_good_token_is_granted_what_it_says():
    reply = answer(connect(token(jti="t1", penstock={"subscribe": ["a.*"]})))
    assert isinstance(reply, Granted)
    assert (reply.session, reply.id, reply.user, reply.expires_in, reply.jti) == (1, 2, "ada", 3600, "t1")
    given = read_grant(reply.grant)
    assert (given.user, given.subscribe, given.publish, given.expires) == ("ada", ("a.*",), (), int(NOW) + 3600)


def test_a_token_in_its_leeway_is_good_for_a_last_second():
    assert answer(connect(token(exp=int(NOW) - 3))).expires_in == 1


@pytest.mark.parametrize(
    ("text", "close"),
    [
        ("", CloseCode.BAD_TOKEN),
        ("a.b.c", CloseCode.BAD_TOKEN),
        (token(secret="another secret of more than thirty-two bytes"), CloseCode.BAD_TOKEN),
        (token(exp=int(NOW) - 60), CloseCode.TOKEN_EXPIRED),
    ],
)
def test_a_bad_token_is_refused_and_the_connection_ends(text, close):
    reply = refused(connect(text))
    assert (reply.code, reply.close) == ("unauthenticated", close)


def test_a_subscription_within_the_rights_is_allowed():
    reply = answer(SubscribeRequest(1, 2, 0, "orders.*"), grants=(grant(subscribe=("orders.#",)),))
    assert reply == SubscribeAllowed(1, 2, "orders.*", at=int(NOW * 1000))
    assert reply.recovered is None


def test_who_comes_back_to_a_topic_without_history_is_told_that_nothing_was_recovered():
    assert answer(SubscribeRequest(1, 2, 0, "live.1", resume=True)) == SubscribeAllowed(1, 2, "live.1", recovered=False)
    assert answer(SubscribeRequest(1, 2, 0, "live.1")) == SubscribeAllowed(1, 2, "live.1")


def test_who_comes_back_to_a_pattern_without_saying_since_when_is_told_that_nothing_was_recovered():
    reply = answer(SubscribeRequest(1, 2, 0, "a.*", resume=True))
    assert reply == SubscribeAllowed(1, 2, "a.*", recovered=False, at=int(NOW * 1000))


@pytest.mark.parametrize("wanted", ["#", "*", "orders.#", "orders.1.*", "other"])
def test_a_subscription_wider_than_the_rights_is_forbidden(wanted):
    reply = refused(SubscribeRequest(1, 2, 0, wanted), grants=(grant(subscribe=("orders.*",)),))
    assert (reply.code, reply.close) == ("forbidden", None)
    assert wanted in reply.reason


@pytest.mark.parametrize("wanted", ["", "a b", "a..b", "a.", "a" * 201, "a\x00b", ".".join("a" * 17), "a.b*"])
def test_what_is_no_pattern_cannot_be_subscribed_to(wanted):
    reply = refused(SubscribeRequest(1, 2, 0, wanted))
    assert reply.code == "bad_request"
    assert len(reply.reason) < 200


def test_a_publish_is_delivered_and_then_answered():
    deeds = done(publish("orders.1", b'{"n":1}', session=5, id=6, key="k"))
    [entry] = entries(deeds)
    assert (entry.topic, entry.payload, entry.encoding, entry.key, entry.sender) == (
        "orders.1",
        b'{"n":1}',
        Encoding.JSON,
        "k",
        "ada",
    )
    assert (entry.at, entry.epoch, entry.offset, entry.trace) == (int(NOW * 1000), "e1", 1, None)
    assert replies(deeds) == [Published(5, 6, "e1", 1)]


def test_a_publish_on_a_topic_without_history_has_no_place_in_any_log():
    deeds = done(publish("live.1", session=5, id=6, key="k"), store=(store := Shelf()))
    [entry] = entries(deeds)
    assert (entry.epoch, entry.offset, entry.key) == (None, None, "k")
    assert replies(deeds) == [Published(5, 6)]
    assert store.logs == {}


def identity(request, gateway=GATEWAY, user="ada"):
    """What makes a publish the same as another."""
    batch = frames(request, grants=(grant(user),), gateway=gateway)
    [command] = builders.pipeline().plan([batch], NOW).commands
    return command.append.key


def test_a_clients_key_makes_its_publish_the_same_as_another_of_its_user():
    assert identity(publish("a", id=1, key="k")) == identity(publish("a", session=2, id=9, key="k"), "gateway-2")
    assert identity(publish("a", key="k")) != identity(publish("a", key="other"))
    assert identity(publish("a", key="k")) != identity(publish("a", key="k"), user="eve")


def test_a_publish_without_a_key_is_the_same_only_as_itself():
    mine = identity(publish("a", session=1, id=2))
    assert mine == identity(publish("a", session=1, id=2))
    others = [publish("a", session=2, id=2), publish("a", session=1, id=3)]
    assert mine not in [*map(identity, others), identity(publish("a", session=1, id=2), "gateway-2")]


@given(*[st.sampled_from([*"ab1", "request", "user", "message"])] * 2, *[st.integers(0, 2)] * 2)
def test_a_users_key_is_never_taken_for_a_request_or_an_event(user, key, session, id):
    named = identity(publish("a", key=key), user=user)
    assert named != identity(publish("a", session=session, id=id), key)
    assert named != ("message", key)


def test_a_publish_keeps_its_rates_whether_or_not_it_is_logged():
    batch = frames(publish("orders.1"), publish("live.1"), grants=ADA)
    for command in builders.pipeline(UNLOGGED).plan([batch], NOW).commands:
        assert [limit.key[0] for limit in command.limits] == ["connection", "user", "topic"]


def test_a_publish_that_is_too_fast_is_not_logged():
    store = Shelf()
    pipeline = builders.pipeline(burst=1)
    deeds = done(publish("a", id=1), publish("a", id=2), pipeline=pipeline, store=store)
    assert [type(reply) for reply in replies(deeds)] == [Published, Refused]
    assert store.heads == {"a": 1}


def test_a_publish_is_under_the_rule_of_its_topic():
    pipeline = builders.pipeline(TopicRule(match="ticker.*", slow="latest"))
    [entry] = entries(done(publish("ticker.acme"), pipeline=pipeline))
    assert entry.slow is Slow.LATEST


@pytest.mark.parametrize("topic", ["#", "orders.*", "a.#.b"])
def test_a_pattern_cannot_be_published_on(topic):
    reply = refused(publish(topic))
    assert reply.code == "bad_request"
    assert "pattern" in reply.reason


@pytest.mark.parametrize("topic", ["", "a b", "a..b", "a" * 201, "a\x00b", "a\u2028b"])
def test_what_is_no_topic_cannot_be_published_on(topic):
    reply = refused(publish(topic))
    assert reply.code == "bad_request"
    assert reply.reason.isprintable()


def test_a_publish_without_the_right_is_forbidden():
    reply = refused(publish("orders.1"), grants=(grant(publish=("chat.*",)),))
    assert (reply.code, reply.close) == ("forbidden", None)


@pytest.mark.parametrize(
    ("payload", "encoding", "code"),
    [
        (b"{", Encoding.JSON, "bad_request"),
        (b"", Encoding.JSON, "bad_request"),
        (b"[" * 9 + b"]" * 9, Encoding.JSON, "bad_request"),
        (b"\xdd\xff\xff\xff\xff", Encoding.MSGPACK, "bad_request"),
        (b"1" * 1001, Encoding.JSON, "too_large"),
    ],
)
def test_a_payload_that_subscribers_cannot_be_given_is_refused(payload, encoding, code):
    deeds = done(publish("a", payload, encoding=encoding))
    assert [reply.code for reply in replies(deeds)] == [code]
    assert (deeds.deliveries, deeds.dead) == ([], [])


def test_a_request_with_an_expired_grant_ends_the_connection():
    late = NOW + 3600 + 5
    for request in (publish("a"), SubscribeRequest(1, 2, 0, "a")):
        reply = refused(request, now=late)
        assert (reply.code, reply.close) == ("unauthenticated", CloseCode.TOKEN_EXPIRED)
        assert not isinstance(answer(request, now=late - 1), Refused)


@pytest.mark.parametrize("place", [-1, 1, 99])
def test_a_grant_that_is_not_there_is_nobodys(place):
    for request in (publish("a", grant=place), SubscribeRequest(1, 2, place, "a"), refresh(token(), grant=place)):
        reply = refused(request)
        assert (reply.code, reply.close) == ("internal", CloseCode.INTERNAL)


def test_a_refresh_brings_a_new_grant_and_says_which_subscriptions_it_lost():
    reply = answer(refresh(token(jti="t2", penstock={"subscribe": ["a.*"]}), "a.b", "b", "a.*", "#"))
    assert isinstance(reply, Refreshed)
    assert (reply.user, reply.expires_in, reply.jti, reply.lost) == ("ada", 3600, "t2", ("b", "#"))
    assert read_grant(reply.grant).subscribe == ("a.*",)


def test_a_refresh_for_another_user_is_forbidden_and_the_connection_goes_on():
    reply = refused(refresh(token(sub="eve")))
    assert (reply.code, reply.close) == ("forbidden", None)


@pytest.mark.parametrize("text", ["", "a.b.c", token(exp=int(NOW) - 60)])
def test_a_refresh_with_a_bad_token_is_refused_and_the_connection_goes_on_with_the_old_one(text):
    reply = refused(refresh(text))
    assert (reply.code, reply.close) == ("unauthenticated", None)


def test_a_refresh_that_was_late_on_its_way_is_still_good():
    assert isinstance(answer(refresh(token(exp=int(NOW) + 9000)), now=NOW + 3700), Refreshed)


def test_a_probe_is_answered():
    assert answer(ProbeRequest(7, 8)) == Probed(7, 8)


@pytest.mark.parametrize("request_", [connect(token()), refresh(token())])
def test_a_token_whose_key_may_come_soon_is_parked_and_not_answered(request_):
    pipeline = pipeline_with(NeedsKeys(0.0, heard=True))
    plan = pipeline.plan([frames(request_, grants=(grant(),))], NOW)
    assert [parked.request for parked in plan.parked] == [request_]
    assert plan.replies == {}


@pytest.mark.parametrize("request_", [connect(token()), refresh(token())])
@pytest.mark.parametrize("heard", [True, False])
def test_a_token_whose_key_cannot_be_asked_for_yet_may_try_again_then(request_, heard):
    reply = refused(request_, pipeline=pipeline_with(NeedsKeys(17.0, heard=heard)))
    assert (reply.code, reply.retry_after, reply.close) == ("unavailable", 17.0, None)


def unparked(request, *answers):
    pipeline = pipeline_with(NeedsKeys(0.0, heard=False), *answers)
    parked = pipeline.plan([frames(request, grants=(grant(),))], NOW).parked
    [reply] = replies(conclude(pipeline, pipeline.unpark(parked, NOW)))
    return reply


def test_a_parked_token_is_checked_when_the_keys_have_come():
    assert isinstance(unparked(connect(token()), SECRET.encode()), Granted)
    assert isinstance(unparked(refresh(token()), SECRET.encode()), Refreshed)
    assert unparked(connect(token()), b"another secret of more than thirty-two bytes").code == "unauthenticated"


def test_a_parked_token_whose_key_the_issuer_does_not_have_is_bad():
    reply = unparked(connect(token()), NeedsKeys(30.0, heard=True))
    assert (reply.code, reply.close) == ("unauthenticated", CloseCode.BAD_TOKEN)
    reply = unparked(refresh(token()), NeedsKeys(30.0, heard=True))
    assert (reply.code, reply.close) == ("unauthenticated", None)


@pytest.mark.parametrize(("wait", "told"), [(30.0, 30.0), (0.0, 1.0)])
def test_a_parked_token_whose_issuer_did_not_answer_may_try_again(wait, told):
    reply = unparked(connect(token()), NeedsKeys(wait, heard=False))
    assert (reply.code, reply.retry_after, reply.close) == ("unavailable", told, None)


def test_nothing_is_parked_a_second_time():
    pipeline = pipeline_with(NeedsKeys(0.0, heard=False))
    parked = pipeline.plan([frames(connect(token()))], NOW).parked
    assert pipeline.unpark(parked, NOW).parked == []


def test_a_key_source_that_refuses_is_believed():
    assert refused(connect(token()), pipeline=pipeline_with(TokenRefused("not here"))).reason == "not here"


def test_a_time_to_wait_is_told_in_whole_milliseconds_rounded_up():
    plan = Plan(NOW)
    asker = Asker(GATEWAY, [])
    plan.refuse(asker, connect(""), no_keys(0.12345))
    assert plan.replies[GATEWAY][0].retry_after == 0.124


def test_one_key_is_enough_to_check_with():
    assert isinstance(
        answer(connect(token()), pipeline=pipeline_with(OneKey("HS256", SECRET.encode()).find("HS256", None))), Granted
    )
