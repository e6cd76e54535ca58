"""The embedded store's presence: one topic's sessions and users ◆"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from shared.store.roll import LISTED_BYTES, Attend, Attendance, Member


class Place:
    """Who is at one topic.

    Bounded by what gateways hold: their connections times the subscriptions of each. Times are those of `now`.
    """

    __slots__ = ("_hosts", "_leaving", "_users", "topic")

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._hosts: dict[str, dict[str, str]] = {}
        """By gateway: its sessions, and whose they are."""
        self._users: dict[str, dict[str, Member]] = {}
        """By user: the sessions, the first one first; the last one stays while the user is leaving."""
        self._leaving: dict[str, float] = {}
        """Users who have no session here any more, and when they are gone for good; in the order of their going."""

    @property
    def is_empty(self) -> bool:
        """Say whether nobody is here."""
        return not self._users

    def attend(self, command: Attend, alive: Collection[str], now: float) -> Attendance:
        """Carry out a command; gateways that are not `alive` have no sessions any more."""
        left = [*self._overdue(now), *self._dead(alive, now)]
        joined = [member for member in command.came if self._come(command.gateway, member)]
        for member in command.went:
            left += self._go(command.gateway, member.user, member.session, now, command.linger)
        listed = list(self._listed(command)) if command.limit else []
        sessions = self._sessions(command.user) if command.limit else 0
        return Attendance(self.topic, joined, left, len(self._users), sessions, listed)

    def _overdue(self, now: float) -> Iterator[Member]:
        for user in [user for user, due in self._leaving.items() if due <= now]:
            yield self._forget(user)

    def _dead(self, alive: Collection[str], now: float) -> Iterator[Member]:
        for gateway in [gateway for gateway in self._hosts if gateway not in alive]:
            for session, user in list(self._hosts[gateway].items()):
                yield from self._go(gateway, user, session, now, 0.0)

    def _come(self, gateway: str, member: Member) -> bool:
        self._hosts.setdefault(gateway, {})[member.session] = member.user
        if self._leaving.pop(member.user, None) is not None:
            self._users[member.user] = {member.session: member}
            return False
        is_new = member.user not in self._users
        self._users.setdefault(member.user, {})[member.session] = member
        return is_new

    def _go(self, gateway: str, user: str, session: str, now: float, linger: float) -> Iterator[Member]:
        host = self._hosts.get(gateway, {})
        host.pop(session, None)
        if not host:
            self._hosts.pop(gateway, None)
        sessions = self._users.get(user, {})
        if session not in sessions or user in self._leaving:
            return
        if len(sessions) > 1:
            del sessions[session]
        elif linger > 0:
            self._leaving[user] = now + linger
        else:
            yield self._forget(user)

    def _forget(self, user: str) -> Member:
        self._leaving.pop(user, None)
        return next(iter(self._users.pop(user).values()))

    def _sessions(self, user: str | None) -> int:
        if user is None:
            return sum(map(len, self._hosts.values()))
        return 0 if user in self._leaving else len(self._users.get(user, ()))

    def _listed(self, command: Attend) -> Iterator[Member]:
        room, count = LISTED_BYTES, 0
        users = self._users if command.user is None else {command.user} & self._users.keys()
        for user in users:
            for member in self._users[user].values():
                room -= len(member.user) + len(member.session) + len(member.info)
                if count == command.limit or (room < 0 and count):
                    return
                count += 1
                yield member
                if not command.each:
                    break
