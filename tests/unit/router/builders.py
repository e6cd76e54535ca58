"""Small makers of what the router's tests need."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import jwt

from router.events import Events
from router.inquiries import Inquiries
from router.keys import OneKey
from router.limits import Limits, Rate
from router.payloads import Payloads
from router.pipeline import Pipeline
from router.plan import Deeds, Plan, Recent
from router.requests import Requests
from router.rules import Rules
from router.settings import DEFAULT_RULE, TopicRule
from router.tokens import Verifier
from shared.bus.port import Received
from shared.bus.topology import EVENTS, FRAMES
from shared.envelopes import (
    AnyReply,
    AnyRequest,
    Encoding,
    Entry,
    FrameBatch,
    Grant,
    PublishRequest,
    pack,
    read_deliveries,
    read_replies,
)
from tests.unit.router.shelf import Shelf

T = TypeVar("T")

SECRET = "a secret of more than thirty-two bytes"
NOW = 1_700_000_000.0
GATEWAY = "gateway-1"


def token(secret: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token for ada, good for an hour after `NOW`, that may do everything; `claims` change it, None removes."""
    every = {"sub": "ada", "exp": int(NOW) + 3600, "iat": int(NOW), "penstock": {"subscribe": ["#"], "publish": ["#"]}}
    every = {name: value for name, value in (every | claims).items() if value is not None}
    return jwt.encode(every, secret, algorithm=algorithm, headers=headers)


def fresh_token(**claims: Any) -> str:
    """The same for tests with a real clock."""
    return token(**({"exp": int(time.time()) + 3600, "iat": int(time.time())} | claims))


def grant(
    user: str = "ada", *, subscribe: tuple[str, ...] = ("#",), publish: tuple[str, ...] = ("#",), **more: Any
) -> Grant:
    """A grant that ends an hour after `NOW`."""
    return Grant(user, subscribe, publish, (), **({"expires": int(NOW) + 3600} | more))


def publish(
    topic: str, payload: bytes = b"1", *, session: int = 1, id: int = 1, grant: int = 0, **more: Any
) -> PublishRequest:
    """A client's publish."""
    return PublishRequest(session, id, grant, topic, payload, more.pop("encoding", Encoding.JSON), **more)


def frames(*items: AnyRequest, grants: tuple[Grant, ...] = (), gateway: str = GATEWAY, **more: Any) -> Received:
    """A batch of a gateway, as it comes."""
    body = pack(FrameBatch(1, gateway, [pack(each) for each in grants], list(items)))
    return received(body, FRAMES, "3", **more)


def event(topic: str, body: bytes = b"1", **more: Any) -> Received:
    """A back end's event, as it comes."""
    return received(body, EVENTS, topic, **more)


def received(body: bytes, exchange: str, routing_key: str, **more: Any) -> Received:
    """Any message, as it comes."""
    return Received(
        body, "penstock.route.3", exchange, routing_key, **({"redelivered": False, "tag": 1, "generation": 1} | more)
    )


def pipeline(*rules: TopicRule, rate: float = 50.0, burst: int = 100, verifier: Verifier | None = None) -> Pipeline:
    """A pipeline with small payloads and the default rule."""
    known = Rules([*rules, DEFAULT_RULE])
    payloads = Payloads(1000, 8)
    limits = Limits(Rate(rate, burst), Rate(rate, burst))
    trusted = verifier or Verifier(OneKey("HS256", SECRET.encode()), ("HS256",))
    return Pipeline(Requests(trusted, known, limits, payloads), Events(known, payloads), Inquiries(known))


def conclude(pipeline: Pipeline, plan: Plan, store: Shelf | None = None) -> Deeds:
    """Ask a store, an empty one if none is given, and conclude, as an intake does where nothing is away."""
    store = store or Shelf()
    admissions = at_once(store.admit(plan.commands, 0.0))
    spans = pipeline.spans(plan)
    recents = [Recent(at_once(store.recent(span, 0.0)), NOW - at_once(store.age(0.0))) for span in spans]
    reads = pipeline.reads(plan, admissions, recents)
    logs = at_once(store.read(reads, 0.0)) if reads else []
    return pipeline.conclude(plan, admissions, dict(zip(reads, logs, strict=True)))


def at_once(answer: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that waits for nothing."""
    try:
        answer.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def entries(deeds: Deeds) -> list[Entry]:
    """All entries that are delivered, in order."""
    return [entry for out in deeds.deliveries for entry in read_deliveries(out.message.body).items]


def replies(deeds: Deeds, gateway: str = GATEWAY) -> list[AnyReply]:
    """All answers to one gateway, in order."""
    mine = [out for out in deeds.replies if out.routing_key == gateway]
    return [reply for out in mine for reply in read_replies(out.message.body).items]
