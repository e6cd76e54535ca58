"""What becomes of requests about who is where, and what follows from them ◆

Gateways report which of their sessions come to a topic and go; whether that is a topic with presence is decided here,
and who counts as a member by the store. All that concerns one topic comes through one partition, so what is told of it
is told in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from msgspec import Raw

from router.access import may_subscribe
from router.plan import Asker, Attending, Outgoing, Plan
from router.refusals import Refusal, no_presence, no_right, not_one_topic, presence_away
from router.routing import Deliveries
from router.rules import Rules
from shared import attending
from shared.attending import (
    Attended,
    AttendRequest,
    Change,
    Notice,
    PresenceRead,
    PresenceRequest,
    Renewed,
    RenewRequest,
    SessionsRead,
    SessionsRequest,
)
from shared.codes import ErrorCode
from shared.envelopes import AnyReply, Grant, GrantedRequest
from shared.store.roll import OWN, Attend, Attendance, Called, Member, Roll
from shared.topics import PARTITIONS, is_topic

Standing: TypeAlias = Callable[[GrantedRequest, Asker, float], Grant]
"""Returns the grant of a request; raises a `Refusal` where it has none that is good at a time (seconds since 1970)."""


class Presence:
    """Decides, one request at a time. `linger` is seconds for which who has gone may come back unseen."""

    def __init__(self, rules: Rules, standing: Standing, linger: float) -> None:
        self._rules = rules
        self._standing = standing
        self._linger = linger
        self.deciders: dict[type, Callable[[Any, Asker, float], Attending]] = {
            AttendRequest: self._attend,
            PresenceRequest: self._presence,
            RenewRequest: self._renew,
            SessionsRequest: self._sessions,
        }

    def info(self, topic: str, grant: Grant, wanted: bool) -> bytes | None:
        """Return with what a session is a member of `topic`; None where there are none, unless that was `wanted`."""
        if is_topic(topic) and self._rules.of(topic).presence:
            return bytes(grant.info)
        if wanted:
            raise no_presence(topic)
        return None

    def _attend(self, request: AttendRequest, asker: Asker, now: float) -> Attending:
        # No grant: a gateway reports whom it was allowed to let in.
        topic, linger, gateway = request.topic, self._linger, asker.gateway
        if topic == OWN + gateway:
            linger = 0.0
        elif not is_topic(topic) or not self._rules.of(topic).presence:
            raise no_presence(topic)
        if not request.came and not request.went:
            return Attending(asker, request, Attend(topic))
        command = Attend(
            topic, gateway, _kept(request.came), _kept(request.went), stays=request.stays, linger=linger
        )  # fmt: skip
        return Attending(asker, request, command)

    def _presence(self, request: PresenceRequest, asker: Asker, now: float) -> Attending:
        grant, topic = self._standing(request, asker, now), request.topic
        if not is_topic(topic):
            raise not_one_topic(topic, "presence is told")
        if not may_subscribe(grant.subscribe, topic):
            raise no_right("see who is at", topic)
        if not self._rules.of(topic).presence:
            raise no_presence(topic)
        return Attending(asker, request, Attend(topic, limit=self._rules.of(topic).presence))

    def _renew(self, request: RenewRequest, asker: Asker, now: float) -> Attending:
        if not 0 <= request.partition < PARTITIONS:
            raise Refusal(ErrorCode.BAD_REQUEST, f"there is no partition {request.partition}")
        return Attending(asker, request)

    def _sessions(self, request: SessionsRequest, asker: Asker, now: float) -> Attending:
        return Attending(asker, request)


def roll_of(asked: Iterable[Attending], lease: float, *, spare: bool) -> Roll:
    """Return what the store is to be asked; `lease` is seconds, for `spare` see `shared.store.roll.Roll`."""
    gateways: dict[str, None] = {}
    partitions: dict[int, None] = {}
    commands = []
    for each in asked:
        if each.command is not None:
            commands.append(each.command)
        if isinstance(each.request, RenewRequest):
            partitions[each.request.partition] = None
        if isinstance(each.request, RenewRequest | AttendRequest):
            gateways[each.asker.gateway] = None
    return Roll(lease, tuple(gateways), tuple(partitions), tuple(commands), spare)


def conclude(plan: Plan) -> list[Outgoing]:
    """Answer all that was asked about presence, and return what tells those who want to know who joined and left."""
    called = plan.called
    if called is None:
        for each in plan.attending:
            plan.refuse(each.asker, each.request, presence_away())
        return []
    deliveries = Deliveries()
    attendances = iter(called.attendances)
    for each in plan.attending:
        attendance = Attendance("") if each.command is None else next(attendances)
        _tell(deliveries, attendance, each)
        plan.answer(each.asker, _answer(plan, called, each, attendance))
    for attendance in called.looked:
        _tell(deliveries, attendance)
    plan.noticed = deliveries.entries
    return deliveries.finish()


def _answer(plan: Plan, called: Called, asked: Attending, attendance: Attendance) -> AnyReply:
    match asked.request:
        case AttendRequest(session=session, id=id, went=went):
            linger = 0.0 if asked.command is None else asked.command.linger
            return Attended(session, id, linger if went else 0.0)
        case PresenceRequest(session=session, id=id, topic=topic):
            return PresenceRead(session, id, topic, _told(attendance.members), attendance.count)
        case RenewRequest(session=session, id=id):
            return Renewed(session, id, called.leases[asked.asker.gateway], plan.lease, called.more)
        case SessionsRequest(session=session, id=id, user=user, limit=limit):
            found = plan.connected[user]
            return SessionsRead(session, id, _told(found.members[:limit]), found.sessions)


def _tell(deliveries: Deliveries, attendance: Attendance, asked: Attending | None = None) -> None:
    topic, joined = attendance.topic, attendance.joined
    if topic.startswith(OWN):
        return
    if asked is not None and asked.asker.again and asked.command is not None:
        # Whoever took this report before may have died before it told of it.
        joined = asked.command.came
    for change, members in ((Change.LEFT, attendance.left), (Change.JOINED, joined)):
        for member in _told(members):
            deliveries.add(Notice(topic, change, member))


def _kept(members: Iterable[attending.Member]) -> tuple[Member, ...]:
    return tuple(Member(member.user, member.session, bytes(member.info)) for member in members)


def _told(members: Iterable[Member]) -> list[attending.Member]:
    return [attending.Member(member.user, member.session, Raw(member.info)) for member in members]
