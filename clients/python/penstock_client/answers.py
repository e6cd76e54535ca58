"""What each frame of a gateway leads to, and what a missing one does ◆

An answer is read whole before the request it answers is forgotten: a malformed one must not lose a publish.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from . import frames, verdicts
from .effects import Effect, Resolve, Send, Warn
from .errors import ConnectionFailed, ProtocolError
from .life import Life
from .link import GOING_AWAY, NORMAL
from .messages import History
from .presence import Joined, Left
from .requests import CatchingUp, Pending, Publishing, Reading, Refreshing, Subscribing
from .states import State


def take(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    """Return what a frame leads to; unknown types lead to nothing. Raises `ProtocolError`."""
    handler = _HANDLERS.get(frames.required(frame, "type", str))
    return [] if handler is None else handler(life, frame, now)


def miss(life: Life, overdue: list[Pending], now: float) -> list[Effect]:
    """Return what follows from answers that did not come in time."""
    effects: list[Effect] = []
    for pending in overdue:
        life.counters.unanswered += 1
        if isinstance(pending, Publishing | Reading):
            effects += life.outbox.unanswered(pending.request, now)
        elif isinstance(pending, Refreshing):
            life.renewal.put_off(now, None)
        else:
            # Whether we are subscribed cannot be known on this connection any more; on a new one it can.
            effects += life.leave(GOING_AWAY, "no answer to subscribe")
    return effects


def _connected(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    heartbeat, expires_in = frames.seconds(frame, "heartbeat"), frames.seconds(frame, "expires_in")
    if life.link is None or life.state is not State.CONNECTING:
        raise ProtocolError("The gateway sent 'connected' twice.")
    life.link.authenticated(now, heartbeat)
    life.renewal.accepted(expires_in, now)
    life.counters.connections += 1
    return [life.enter(State.CONNECTED), *life.subscriptions.ask_all(now)]


def _subscribed(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    pending = life.requests.take(frame.get("id"), Subscribing)
    return life.subscriptions.accepted(pending.pattern, frame, now) if isinstance(pending, Subscribing) else []


def _caught_up(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    life.subscriptions.resumed(frame, now)
    return []


def _ok(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    receipt, expires_in = frames.receipt(frame), frames.seconds(frame, "expires_in")
    pending = life.requests.take(frame.get("id"), Publishing, Refreshing)
    if isinstance(pending, Publishing):
        return [] if life.outbox.drop(pending.request) is None else [Resolve(pending.request, receipt)]
    if isinstance(pending, Refreshing):
        life.counters.renewals += 1
        life.renewal.accepted(expires_in, now)
    return []


def _result(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    answer = frames.there(frame) if "members" in frame else frames.read(frame)
    pending = life.requests.take(frame.get("id"), Reading, *([CatchingUp] if isinstance(answer, History) else []))
    if isinstance(pending, CatchingUp) and isinstance(answer, History):
        return life.subscriptions.caught_up(pending.subscriber, answer, now)
    if isinstance(pending, Reading) and life.outbox.drop(pending.request) is not None:
        return [Resolve(pending.request, answer)]
    return []


def _error(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    code, reason, retry_after = frames.error(frame)
    number = frame.get("id")
    topic = frames.optional(frame, "topic", str)
    if number is None:
        return _ended(life, topic, code, reason, retry_after, now)
    if life.state is State.CONNECTING:
        return _connect_refused(life, code, reason, retry_after, now)
    pending = life.requests.take(number, Publishing, Reading, CatchingUp, Subscribing, Refreshing)
    if isinstance(pending, Publishing | Reading):
        return life.outbox.refused(pending.request, code, reason, retry_after, now)
    if isinstance(pending, CatchingUp):
        return life.subscriptions.not_caught_up(pending.subscriber, code, reason, retry_after, now)
    if isinstance(pending, Subscribing):
        return life.subscriptions.refused(pending.pattern, code, reason, retry_after, now)
    if isinstance(pending, Refreshing):
        life.renewal.put_off(now, retry_after)
        return [Warn(f"The gateway refuses the new token: {code} ({reason}).")]
    return []


def _ended(
    life: Life, topic: str | None, code: str, reason: str, retry_after: float | None, now: float
) -> list[Effect]:
    """Take an error that answers nothing: something we rely on may have ended, as a subscription after a refresh."""
    warning = Warn(f"The gateway reports {code}: {reason}.")
    if topic is not None:
        return [warning, *life.subscriptions.refused(topic, code, reason, retry_after, now)]
    if code == "forbidden":
        # Which subscription it was is not said; asking for all of them anew finds out, and none ends silently.
        return [warning, *life.leave(NORMAL, "a right was lost")]
    return [warning]


def _connect_refused(life: Life, code: str, reason: str, retry_after: float | None, now: float) -> list[Effect]:
    """Note what the refusal of `connect` amounts to; the close code that may follow can only be more precise."""
    link = life.link
    if link is None:
        return []
    link.reason = reason
    if code == "unauthenticated":
        link.verdict = verdicts.BAD_TOKEN
    elif code in verdicts.RETRYABLE or code == "internal":
        link.not_before = now + (retry_after or 0.0)
    else:
        link.fatal = ConnectionFailed(f"The gateway refused to connect us: {code} ({reason}).")
    return life.leave(NORMAL, "connect refused")


def _message(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    return life.subscriptions.deliver(frame)


def _gap(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    return life.subscriptions.gap(frame)


def _joined(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    return life.subscriptions.tell(Joined(*frames.member(frame)))


def _left(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    return life.subscriptions.tell(Left(*frames.member(frame)))


def _degraded(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    return [life.enter(State.DEGRADED)] if life.state is State.CONNECTED else []


def _restored(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    return [life.enter(State.CONNECTED)] if life.state is State.DEGRADED else []


def _reconnect(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    after = frames.seconds(frame, "after")
    if life.link is not None:
        life.link.return_at = now + (after or 0.0)
    return []


def _ping(life: Life, frame: dict[str, Any], now: float) -> list[Effect]:
    return [Send(frames.pong())]


_HANDLERS: Final[dict[str, Callable[[Life, dict[str, Any], float], list[Effect]]]] = {
    "connected": _connected,
    "subscribed": _subscribed,
    "caught_up": _caught_up,
    "ok": _ok,
    "result": _result,
    "error": _error,
    "message": _message,
    "gap": _gap,
    "joined": _joined,
    "left": _left,
    "degraded": _degraded,
    "restored": _restored,
    "reconnect": _reconnect,
    "ping": _ping,
}
