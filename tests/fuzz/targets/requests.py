"""A client's bytes on their whole way: frames, a session, a batch on the bus, a router, and the answers back ◆"""

from __future__ import annotations

import itertools
from typing import Any

from gateway.codecs import BadFrame, Dialect, json, msgpack
from gateway.effects import Ask, End, Join, Send, TakeEarly
from gateway.flood import FloodLimits
from gateway.session import Session, SessionLimits
from router.keys import OneKey
from router.limits import Limits, Rate
from router.plan import Attending, Inquiry, Publication
from router.reading import read_batch
from router.refusals import Refusal
from router.requests import Requests
from router.rules import Rules
from router.settings import DEFAULT_RULE, TopicRule
from router.tokens import Verifier
from shared import envelopes
from shared.codes import CloseCode
from shared.envelopes import FrameBatch, Grant, Refused, pack, read_replies
from shared.topics import MAX_BYTES, MAX_SEGMENTS, is_pattern, is_topic
from tests.fuzz.target import CUT, Growth, Target
from tests.fuzz.targets.clients import NEVER_USED
from tests.fuzz.targets.frames import JSON_FRAMES, JSON_WORDS, MSGPACK_FRAMES, MSGPACK_WORDS
from tests.fuzz.targets.payloads import PAYLOADS, deliver, unframed
from tests.fuzz.targets.tokens import CLAIMS, HEADER, NOW, SECRET, signed

LIMITS = SessionLimits(
    flood=FloodLimits(rate=10.0, burst=200, tolerance=5),
    max_subscriptions=8,
    max_pending=16,
    request_timeout=4.0,
    connect_timeout=5.0,
    heartbeat=25.0,
    heartbeat_grace=10.0,
)
MAX_MESSAGES = 32
RULES = Rules([TopicRule(match="a", presence=True), TopicRule(match="once.#", history=0), DEFAULT_RULE])
REQUESTS = Requests(
    Verifier(OneKey("HS256", SECRET), ("HS256",)), RULES, Limits(Rate(50, 100), Rate(50, 100)), PAYLOADS
)
GRANT = pack(Grant("ada", ("#",), ("#",), (), int(NOW) + 3600))


def talk(dialect: Dialect, messages: list[bytes]) -> None:
    """Take messages of a client that is let in, one after the other, and answer what it asks as a router does."""
    session = Session(5, "boot.5", LIMITS, NOW, address="::1", encoding=dialect.payload_encoding, first_ping=NOW + 25)
    for index, message in enumerate(messages[:MAX_MESSAGES]):
        now = NOW + index
        if len(message) >= 4096 and session.weigh(len(message), now):
            continue
        for frame in dialect.decode(message):
            if isinstance(frame, BadFrame):
                effects = session.refuse(frame.reason, frame.id, now)
            else:
                effects = session.receive(frame, now)
            _perform(session, dialect, effects, now)
        _perform(session, dialect, session.tick(now), now)
    topics = list(session.topics)
    assert len(topics) <= LIMITS.max_subscriptions
    assert all(map(is_pattern, topics))
    assert len(session.pending) <= LIMITS.max_pending + 1
    session.end()


def _perform(session: Session, dialect: Dialect, effects: list[Any], now: float) -> None:
    todo = list(effects)
    while todo:
        effect = todo.pop(0)
        match effect:
            case Ask():
                todo += _asked(session, effect, now)
            case Join(topic, _, ask):
                assert is_pattern(topic)
                todo += _asked(session, ask, now)
            case Send(frame):
                unframed(dialect.encode(frame), dialect.opcode)
            case End(code, reason):
                assert code in set(CloseCode)
                assert reason
                session.end()
                return
            case TakeEarly():
                todo += session.take_early()


def _asked(session: Session, ask: Ask, now: float) -> list[Any]:
    request = ask.request
    named = getattr(request, "topic", None)
    if named is not None:
        assert len(named.encode()) <= MAX_BYTES
        assert named.count(".") < MAX_SEGMENTS
        assert is_pattern(named)
    body = pack(FrameBatch(1, "gateway", [session.grant or b""], [request]))
    batch = read_batch(body)
    assert batch.requests == [request], "the router reads what the gateway meant"
    assert not batch.unreadable
    return session.answer(_answered(batch, now), now)


def _answered(batch: Any, now: float) -> Any:
    (request,) = batch.requests
    try:
        outcome = REQUESTS.decide(request, batch.asker, now)
    except Refusal as refusal:
        outcome = Refused(
            request.session, request.id, refusal.code.value, refusal.reason, refusal.retry_after, refusal.close
        )
    if isinstance(outcome, Publication):
        assert is_topic(outcome.entry.topic)
        deliver(outcome.entry)
        outcome = envelopes.Published(request.session, request.id, "e", 1)
    elif isinstance(outcome, Inquiry | Attending):
        # What the store says of it is not a matter of these bytes.
        outcome = Refused(request.session, request.id, "unavailable", "no store is here", 1.0)
    reply = pack(envelopes.ReplyBatch(1, [outcome]))
    return read_replies(reply).items[0]


_TOKEN = signed(HEADER, CLAIMS[2])
_IN = b'{"type":"connect","id":0,"token":"%s"}' % _TOKEN.encode()
_IN_MSGPACK = b"\x83\xa4type\xa7connect\xa2id\x00\xa5token\xd9" + bytes((len(_TOKEN),)) + _TOKEN.encode()


def talk_json(data: bytes) -> None:
    """Take the messages of a client that speaks JSON; the first is as it should be."""
    talk(json, [_IN, *data.split(CUT)])


def talk_msgpack(data: bytes) -> None:
    """Take the messages of a client that speaks MessagePack; the first is as it should be."""
    talk(msgpack, [_IN_MSGPACK, *data.split(NEVER_USED)])


def talk_out_of_order(data: bytes) -> None:
    """Take the messages of a client that was not let in."""
    talk(json, data.split(CUT))


_PAIRS = tuple(CUT.join(pair) for pair in itertools.pairwise(JSON_FRAMES))
_PAIRS_MSGPACK = tuple(NEVER_USED.join(pair) for pair in itertools.pairwise(MSGPACK_FRAMES))

TARGETS = (
    Target(
        "requests-json",
        talk_json,
        (*_PAIRS, CUT.join(JSON_FRAMES[1:])),
        words=(*JSON_WORDS, CUT),
        growth=(
            Growth(b'{"type":"pong"}\x1e'),
            Growth(b"9", b'{"type":"publish","id":1,"topic":"a","data":', b"}"),
            Growth(b"a", b'{"type":"publish","id":1,"topic":"a","data":"', b'"}'),
        ),
    ),
    Target("requests-msgpack", talk_msgpack, _PAIRS_MSGPACK, words=(*MSGPACK_WORDS, NEVER_USED)),
    Target("requests-unknown", talk_out_of_order, (*_PAIRS, _IN + CUT + _IN, _IN), words=(*JSON_WORDS, CUT, _IN)),
)

