"""What becomes of each request of a client ◆

One method per request: it returns the answer, or what is to happen before there can be one, or raises a `Refusal`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import ceil
from typing import Any, TypeAlias

from router.access import may_publish, may_subscribe
from router.history import append
from router.inquiries import LONGEST_AWAY, MAX_ENTRIES, SLACK
from router.keys import NeedsKeys
from router.limits import Limits
from router.payloads import BadPayload, Payloads
from router.plan import Asker, Attending, Inquiry, Parked, Publication
from router.presence import Presence
from router.refusals import (
    Refusal,
    bad_token,
    expired,
    no_history,
    no_keys,
    no_right,
    not_a_pattern,
    not_a_topic,
    not_one_topic,
)
from router.rules import Rules
from router.tokens import Verifier
from shared.codes import CloseCode, ErrorCode
from shared.envelopes import (
    AnyReply,
    AnyRequest,
    ConnectRequest,
    Entry,
    FetchRequest,
    Grant,
    Granted,
    GrantedRequest,
    GrownRequest,
    HistoryRequest,
    Probed,
    ProbeRequest,
    PublishRequest,
    Refreshed,
    RefreshRequest,
    SubscribeAllowed,
    SubscribeRequest,
    pack,
    read_grant,
)
from shared.errors import MalformedEnvelope, TokenRefused
from shared.store.port import Admit
from shared.topics import has_wildcard, is_pattern, is_topic

CACHED_GRANTS = 4_096
"""Grants that need not be decoded again; the longest unused are forgotten."""

MIN_RETRY_AFTER = 1.0
"""Seconds after which a client whose token could not be checked may try again, at the earliest."""

Outcome: TypeAlias = AnyReply | Publication | Inquiry | Attending | Parked


class Requests:
    """Decides, one request at a time. `now` is always seconds since 1970."""

    def __init__(
        self, verifier: Verifier, rules: Rules, limits: Limits, payloads: Payloads, linger: float = 5.0
    ) -> None:
        self._verifier = verifier
        self._rules = rules
        self._limits = limits
        self._payloads = payloads
        self._presence = Presence(rules, self._standing, linger)
        self._deciders: dict[type, Callable[[Any, Asker, float], Outcome]] = {
            ConnectRequest: self._connect,
            SubscribeRequest: self._subscribe,
            PublishRequest: self._publish,
            RefreshRequest: self._refresh,
            ProbeRequest: self._probe,
            FetchRequest: self._fetch,
            HistoryRequest: self._history,
            GrownRequest: self._grown,
            **self._presence.deciders,
        }

    def decide(self, request: AnyRequest, asker: Asker, now: float) -> Outcome:
        """Return what becomes of `request`; raise `Refusal` where nothing does."""
        return self._deciders[request.__class__](request, asker, now)

    def _publish(self, request: PublishRequest, asker: Asker, now: float) -> Outcome:
        grant = self._standing(request, asker, now)
        topic = request.topic
        if not is_topic(topic):
            raise not_a_topic(topic)
        if not may_publish(grant.publish, topic):
            raise no_right("publish on", topic)
        try:
            self._payloads.check(request.payload, request.encoding)
        except BadPayload as bad:
            raise Refusal(bad.code, bad.reason) from None
        rule = self._rules.of(topic)
        entry = Entry(
            topic, request.payload, request.encoding, int(now * 1000), rule.slow, request.key, grant.user
        )  # fmt: skip
        command = self._limits.of(asker.gateway, request.session, grant.user, topic, rule)
        if rule.history:
            # What may stand in its log already has kept its rates once, and must be found there whatever they say now:
            # else it would be logged, refused, and perhaps never delivered.
            limits = () if asker.again else command.limits
            command = Admit(limits, append(entry, rule, _identity(request, asker, grant)))
        return Publication(entry, command, asker, request.session, request.id)

    def _subscribe(self, request: SubscribeRequest, asker: Asker, now: float) -> Outcome:
        grant = self._standing(request, asker, now)
        if not is_pattern(request.topic):
            raise not_a_pattern(request.topic)
        if not may_subscribe(grant.subscribe, request.topic):
            raise no_right("subscribe to", request.topic)
        info = self._presence.info(request.topic, grant, request.presence)
        if has_wildcard(request.topic):
            within = request.within
            # A little less than nothing is what clocks that differ make of "just now".
            if self._rules.longest and within is not None and -SLACK < within <= LONGEST_AWAY:
                return Inquiry(asker, request, within, at=int(now * 1000))
        elif self._rules.of(request.topic).history:
            return Inquiry(asker, request, info=info)
        recovered = False if request.resume or request.within is not None else None
        at = int(now * 1000) if has_wildcard(request.topic) else None
        return SubscribeAllowed(request.session, request.id, request.topic, recovered=recovered, at=at, info=info)

    def _fetch(self, request: FetchRequest, asker: Asker, now: float) -> Outcome:
        # No grant: a gateway asks for what its sessions have been allowed to hear.
        self._check_history(request.topic)
        return Inquiry(asker, request)

    def _grown(self, request: GrownRequest, asker: Asker, now: float) -> Outcome:
        # No grant, as above; what its sessions have missed for longer than anything is kept, no log can tell.
        return Inquiry(asker, request, min(max(0.0, request.within), self._rules.longest), at=int(now * 1000))

    def _history(self, request: HistoryRequest, asker: Asker, now: float) -> Outcome:
        grant = self._standing(request, asker, now)
        if not is_topic(request.topic):
            raise not_one_topic(request.topic)
        if not may_subscribe(grant.subscribe, request.topic):
            raise no_right("read the history of", request.topic)
        self._check_history(request.topic)
        if not 1 <= request.limit <= MAX_ENTRIES:
            raise Refusal(ErrorCode.BAD_REQUEST, f"limit must be 1 to {MAX_ENTRIES}")
        return Inquiry(asker, request)

    def _check_history(self, topic: str) -> None:
        if not is_topic(topic):
            raise not_one_topic(topic)
        if not self._rules.of(topic).history:
            raise no_history(topic)

    def _connect(self, request: ConnectRequest, asker: Asker, now: float) -> Outcome:
        match self._verifier.verify(request.token, now):
            case Grant() as grant:
                wait = expires_in(grant, now)
                return Granted(request.session, request.id, pack(grant), grant.user, wait, grant.jti)
            case TokenRefused() as refused:
                raise bad_token(refused, request)
            case NeedsKeys() as needs:
                return _park(request, asker, needs)

    def _refresh(self, request: RefreshRequest, asker: Asker, now: float) -> Outcome:
        # The old grant says who asks, though it may have ended on the way.
        user = _grant(request, asker).user
        match self._verifier.verify(request.token, now):
            case Grant() as grant:
                if grant.user != user:
                    raise Refusal(ErrorCode.FORBIDDEN, "the new token is for another user; open a new connection")
                lost = tuple(topic for topic in request.topics if not may_subscribe(grant.subscribe, topic))
                wait = expires_in(grant, now)
                return Refreshed(request.session, request.id, pack(grant), grant.user, wait, lost, grant.jti)
            case TokenRefused() as refused:
                raise bad_token(refused, request)
            case NeedsKeys() as needs:
                return _park(request, asker, needs)

    def _probe(self, request: ProbeRequest, asker: Asker, now: float) -> Outcome:
        return Probed(request.session, request.id)

    def _standing(self, request: GrantedRequest, asker: Asker, now: float) -> Grant:
        grant = _grant(request, asker)
        if now >= grant.expires + self._verifier.leeway:
            raise expired()
        return grant


def expires_in(grant: Grant, now: float) -> int:
    """Return the seconds for which `grant` is good, at least 1: the leeway may have let it in late."""
    return max(1, ceil(grant.expires - now))


@lru_cache(maxsize=CACHED_GRANTS)
def grant_of(packed: bytes) -> Grant | None:
    """Return the grant in these bytes, None where there is none."""
    try:
        return read_grant(packed)
    except MalformedEnvelope:
        return None


def _grant(request: GrantedRequest, asker: Asker) -> Grant:
    if 0 <= request.grant < len(asker.grants) and (grant := asker.grants[request.grant]) is not None:
        return grant
    raise Refusal(ErrorCode.INTERNAL, "the gateway's word for this session cannot be read", close=CloseCode.INTERNAL)


def _identity(request: PublishRequest, asker: Asker, grant: Grant) -> tuple[str | int, ...]:
    """Return what makes this publish the same as another: the client's key, else that it is the very same request.

    The latter comes twice when the router that appended it died before it had acknowledged its batch.
    """
    if request.key is not None:
        return ("user", grant.user, request.key)
    return ("request", asker.gateway, request.session, request.id)


def _park(request: ConnectRequest | RefreshRequest, asker: Asker, needs: NeedsKeys) -> Parked:
    """Let the request wait for the issuer's keys, if they may come soon and it has not waited before."""
    if asker.waited and needs.heard:
        raise bad_token(TokenRefused("the token's key is none of the issuer's"), request)
    if asker.waited or needs.retry_after:
        raise no_keys(max(MIN_RETRY_AFTER, needs.retry_after))
    return Parked(asker, request)
