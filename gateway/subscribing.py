"""From a router's yes to a subscription that is live: what is told, what is sent of the past, and when ◆

`topics` are a session's subscriptions, each with what it holds while it is joining, or with None once it is live.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from typing import TypeAlias

from gateway.catchup import Beginning, Joining, Place, within_bounds
from gateway.effects import CatchUp, CatchUpAll, Effect, GoLive, Leave, Replay, Send
from gateway.pending import Pending
from gateway.refusals import RETRY_AFTER, error, given, overrun, taken_back
from shared.codes import ErrorCode
from shared.envelopes import SubscribeAllowed
from shared.frames import CaughtUp, Gap, Subscribed

Topics: TypeAlias = dict[str, Joining | None]


def allowed(topics: Topics, reply: SubscribeAllowed, pending: Pending) -> list[Effect]:
    """Begin what a router allows: at once, or where there is a log with a look at what is missing."""
    topic, joining = pending.topic, pending.joining
    if joining is None or topics.get(topic) is not joining:
        return [taken_back(pending.id, topic)]
    joining.info = reply.info
    if pending.since is not None:
        joining.at = reply.at
    if reply.epoch is not None and reply.offset is not None:
        head = Place(reply.epoch, reply.offset)
        return [CatchUp(pending.id, topic, joining, head, pending.since, pending.tail)]
    if reply.heads is not None and pending.since is not None and pending.since.at is not None:
        lost = reply.recovered is False
        return [CatchUpAll(pending.id, topic, joining, reply.heads, pending.since, reply.at, lost)]
    if joining.overflowed:
        return [overrun(topic)]
    subscribed = Subscribed(pending.id, topic, recovered=given(reply.recovered), at=given(reply.at))
    return [Send(subscribed), Replay(topic, joining, ())]


def caught_up(topics: Topics, request: int, topic: str, joining: Joining, beginning: Beginning) -> list[Effect]:
    """Begin a subscription with what was found of its past."""
    if topics.get(topic) is not joining:
        return [taken_back(request, topic)]
    if joining.overflowed:
        return [overrun(topic)]
    subscribed = Send(Subscribed(request, topic, *beginning.place, given(beginning.recovered)))
    return [subscribed, *_gaps(joining, [beginning]), Replay(topic, joining, beginning.past)]


def all_caught_up(
    topics: Topics,
    request: int,
    pattern: str,
    joining: Joining,
    beginnings: Sequence[Beginning],
    at: int | None,
    *,
    lost: bool = False,
) -> list[Effect]:
    """Begin the subscription to a pattern with what was found of the past of its topics.

    Topics for whose past there is no room are begun with a gap. It is not recovered where others may be `lost`.
    """
    if topics.get(pattern) is not joining:
        return [taken_back(request, pattern)]
    if joining.overflowed:
        return [overrun(pattern)]
    fitting = within_bounds(beginnings)
    recovered = not lost and all(beginning.recovered for beginning in fitting)
    # Each topic in its order and all of them by time, so that what was sent when the connection is lost again is told
    # by the time of the last.
    past = list(merge(*(beginning.past for beginning in fitting), key=lambda kept: kept.entry.at))
    subscribed = Send(Subscribed(request, pattern, recovered=recovered, at=given(at)))
    return [subscribed, *_gaps(joining, fitting), Replay(pattern, joining, past)]


def not_caught_up(topics: Topics, request: int, topic: str, joining: Joining) -> list[Effect]:
    """Refuse a subscription whose past cannot be looked for just now."""
    if topics.get(topic) is not joining:
        return [taken_back(request, topic)]
    del topics[topic]
    reason = f"what you missed of {topic} cannot be read just now"
    return [error(request, ErrorCode.UNAVAILABLE, reason, RETRY_AFTER), Leave(topic, joining)]


def _gaps(joining: Joining, beginnings: Sequence[Beginning]) -> list[Send]:
    for beginning in beginnings:
        if not beginning.past:
            joining.know(beginning.topic, beginning.place)
    return [Send(Gap(*beginning.missed)) for beginning in beginnings if beginning.missed is not None]


def live(topics: Topics, topic: str, joining: Joining) -> list[Effect]:
    """Let a subscription go live: its past is sent, and what was held; who resumed a pattern is told so."""
    if joining.overflowed:
        return [overrun(topic)]
    topics[topic] = None
    told = [] if joining.at is None else [Send(CaughtUp(topic, joining.at))]
    return [*told, GoLive(topic, joining)]
