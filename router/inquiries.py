"""From questions about logs to what is read, and from what was read to their answers ◆

However many ask the same of a topic in one turn, it is read once; however much they ask for, a turn reads and answers
a bounded amount.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from router.history import entries_of, head_of
from router.plan import Inquiry, Recent
from router.refusals import store_away, too_many_heads
from router.rules import Rules
from shared.envelopes import (
    AnyReply,
    Fetched,
    FetchRequest,
    Grown,
    GrownRequest,
    Head,
    HistoryRead,
    HistoryRequest,
    SubscribeAllowed,
    SubscribeRequest,
)
from shared.store.port import MAX_RECENT, REMEMBERED, Log, Read
from shared.trie import PatternTrie

MAX_ENTRIES = 1_000
"""Entries in one answer."""
MAX_ANSWER_BYTES = 256 * 1024
"""Bytes of the entries in one answer, as the log keeps them; one that is larger comes alone."""
MIN_ANSWER_BYTES = 4 * 1024
TURN_BYTES = 16 * 2**20
"""Bytes of entries in all answers of one turn; where many ask, each is given less, and asks on."""
MAX_HEADS = 1_000
"""Logs under one pattern of which a client is told; where more have grown, it is told of none."""
MAX_HEADS_OF_A_GATEWAY = MAX_RECENT
"""The same for a gateway, which asks for all of its clients at once."""
TURN_HEADS = 100_000
"""Logs of which all answers of one turn tell; who comes after that is to come again."""
SLACK = 30.0
"""Seconds by which a client's last message may have been older than it seems: it was on its way, and clocks differ."""
LONGEST_AWAY = REMEMBERED - SLACK
"""Seconds for which somebody may have been away from a pattern and still be told which of its logs grew. It is longer
than most logs keep anything: that nothing grew is known all the same, and where something did there is a gap."""

Logs = Mapping[Read, Log]
"""What was read; what is not in it could not be read."""


class Inquiries:
    """Plans and answers the inquiries of a turn."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def spans(self, inquiries: Iterable[Inquiry]) -> list[float]:
        """Return for how many seconds back the store is to tell which logs grew, once for each group of askers."""
        return [max(within for _, within in group) + SLACK for group in self._groups(inquiries)]

    def reads(self, inquiries: Sequence[Inquiry], recents: Sequence[Recent | None]) -> dict[Read, None]:
        """Return what is to be read for all `inquiries`, each once.

        `recents` tell whose logs grew within each of the `spans`; None where the store could not say.
        """
        reads: dict[Read, None] = {}
        share = _share(inquiries)
        for inquiry in inquiries:
            if inquiry.within is None:
                inquiry.read = _read(inquiry.request, share)
                reads[inquiry.read] = None
        room = TURN_HEADS
        for group, recent in zip(self._groups(inquiries), recents, strict=True):
            patterns = [inquiry for inquiry, _ in group]
            if recent is None:
                for inquiry in patterns:
                    inquiry.refusal = store_away()
                continue
            room = self._find_heads(patterns, recent, room)
            for inquiry in patterns:
                reads.update(dict.fromkeys(inquiry.heads or ()))
        return reads

    def _groups(self, inquiries: Iterable[Inquiry]) -> list[list[tuple[Inquiry, float]]]:
        """Return those who ask what grew, with the seconds for which they were away: for a while, and for long.

        All of a group are told of what grew in the longest time of them. In a day that may be too much to be told.
        """
        near: list[tuple[Inquiry, float]] = []
        far: list[tuple[Inquiry, float]] = []
        for inquiry in inquiries:
            if inquiry.within is not None:
                (near if inquiry.within <= self._rules.longest else far).append((inquiry, inquiry.within))
        return [group for group in (near, far) if group]

    def answer(self, inquiry: Inquiry, logs: Logs) -> AnyReply | None:
        """Return the answer, None where what it needs could not be read. Raises the inquiry's `Refusal`.

        Raises `MalformedEnvelope` where a log holds what no router has put there.
        """
        if inquiry.refusal is not None:
            raise inquiry.refusal
        if inquiry.read is None:
            return _with_heads(inquiry, logs)
        log = logs.get(inquiry.read)
        if log is None:
            return None
        match inquiry.request:
            case FetchRequest(session=session, id=id, topic=topic):
                return Fetched(session, id, topic, log.epoch, log.head, log.first, entries_of(log))
            case HistoryRequest(session=session, id=id, topic=topic):
                return HistoryRead(session, id, topic, log.epoch, log.head, entries_of(log))
        # Whether one who comes back gets all that was missed, the gateway decides: `recovered` is left open.
        request = inquiry.request
        return SubscribeAllowed(request.session, request.id, request.topic, log.epoch, log.head, info=inquiry.info)

    def _find_heads(self, patterns: Sequence[Inquiry], recent: Recent, room: int) -> int:
        """Say of each pattern which logs are to be read; of all at once, as there may be many of both.

        There is `room` for so many; returns what is left of it. Of a time in which the store lost its logs a client is
        told of those that have grown since, and that these are not all; a gateway of none. What grew before that,
        nobody knows any more.
        """
        trie: PatternTrie[str] = PatternTrie()
        grown: dict[str, list[Read]] = {inquiry.request.topic: [] for inquiry in patterns}
        for pattern in grown:
            trie.add(pattern, pattern)
        for topic in recent.topics:
            if self._rules.of(topic).history:
                for pattern in trie.match(topic):
                    if len(grown[pattern]) <= MAX_HEADS_OF_A_GATEWAY:
                        grown[pattern].append(head_of(topic))
        complete = len(recent.topics) < MAX_RECENT
        heads = {pattern: tuple(logs) for pattern, logs in grown.items()}
        for inquiry in patterns:
            of_a_gateway = isinstance(inquiry.request, GrownRequest)
            most = MAX_HEADS_OF_A_GATEWAY if of_a_gateway else MAX_HEADS
            told = heads[inquiry.request.topic]
            inquiry.whole = _left_at(inquiry) >= recent.born
            found = told if complete and len(told) <= most and (inquiry.whole or not of_a_gateway) else None
            room -= len(found or ())
            if found is not None and room < 0:
                inquiry.refusal = too_many_heads()
            else:
                inquiry.heads = found
        return room


def _left_at(inquiry: Inquiry) -> float:
    """Return when somebody had everything, in seconds since 1970."""
    request = inquiry.request
    if isinstance(request, SubscribeRequest) and request.at is not None:
        return request.at / 1000
    return (inquiry.at or 0) / 1000 - (inquiry.within or 0.0)


def _share(inquiries: Sequence[Inquiry]) -> int:
    """Return the bytes of entries that each answer may have."""
    asking = sum(not isinstance(inquiry.request, SubscribeRequest | GrownRequest) for inquiry in inquiries)
    return min(MAX_ANSWER_BYTES, max(MIN_ANSWER_BYTES, TURN_BYTES // max(1, asking)))


def _read(request: SubscribeRequest | FetchRequest | HistoryRequest | GrownRequest, share: int) -> Read:
    match request:
        case FetchRequest(topic=topic, after=after, limit=limit) if limit > 0:
            return Read(topic, max(0, after), limit=min(limit, MAX_ENTRIES), max_bytes=share)
        case HistoryRequest(topic=topic, after=after, before=before, limit=limit):
            newest = after is None
            return Read(topic, after or 0, before, min(limit, MAX_ENTRIES), share, newest)
    return head_of(request.topic)


def _with_heads(inquiry: Inquiry, logs: Logs) -> AnyReply | None:
    request, reads = inquiry.request, inquiry.heads
    try:
        told = [Head(read.topic, (log := logs[read]).epoch, log.head) for read in reads or ()]
    except KeyError:
        return None
    heads = None if reads is None else tuple(told)
    if isinstance(request, GrownRequest):
        return Grown(request.session, request.id, request.topic, heads, inquiry.at or 0)
    if heads is None:
        return SubscribeAllowed(request.session, request.id, request.topic, recovered=False, at=inquiry.at)
    recovered = None if inquiry.whole else False
    return SubscribeAllowed(request.session, request.id, request.topic, recovered=recovered, heads=heads, at=inquiry.at)
