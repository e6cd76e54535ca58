"""The past is sent as fast as a client reads."""

from __future__ import annotations

from collections.abc import Callable

from gateway.codecs import DIALECTS
from gateway.counters import Counters
from gateway.logs import TRIMMED, Missed, Step
from gateway.replay import PIECE, Replays, send_held
from gateway.window import Kept
from shared.envelopes import Encoding, Entry, Slow

JSON = DIALECTS[0]


class Reader:
    """A connection whose socket takes what it is told to."""

    dialect = JSON

    def __init__(self) -> None:
        self.waiting = 0
        self.most = 0
        self.got: list[bytes] = []
        self.then: Callable[[], None] | None = None

    def push(self, chunk: bytes) -> bool:
        self.waiting += len(chunk)
        self.most = max(self.most, self.waiting)
        self.got.append(chunk)
        return False

    def flush(self) -> None:
        """Write everything."""
        self.waiting = 0
        then, self.then = self.then, None
        if then is not None:
            then()

    def has_room(self, most: int) -> bool:
        return self.waiting < most

    def when_written(self, then: Callable[[], None]) -> None:
        self.then = then


def past(count: int, size: int = 1) -> list[Kept]:
    return [
        Kept(Entry("a", b"1" * size, Encoding.JSON, 0, epoch="e", offset=number)) for number in range(1, count + 1)
    ]


def replaying(
    reader: Reader, kept: list[Kept], wanted: Callable[[], bool] = lambda: True
) -> tuple[list[str], Counters]:
    done: list[str] = []
    counters = Counters()
    Replays(lambda one, chunk: one.push(chunk), counters).begin(reader, kept, wanted, lambda: done.append("done"))  # type: ignore[func-returns-value]
    return done, counters


def test_a_little_past_is_sent_at_once() -> None:
    reader = Reader()
    done, counters = replaying(reader, past(3))
    assert done == ["done"]
    assert (len(reader.got), counters.replayed) == (3, 3)


def test_no_past_is_done_at_once() -> None:
    assert replaying(Reader(), [])[0] == ["done"]


def test_a_long_past_waits_for_the_socket_and_never_fills_the_outbox() -> None:
    reader = Reader()
    size = 1000
    done, counters = replaying(reader, past(500, size))
    flushes = 0
    while not done:
        assert len(reader.got) < 500
        reader.flush()
        flushes += 1
    assert flushes >= 500 * size // PIECE
    assert reader.most < PIECE + 2 * size
    assert counters.replayed == 500


def test_who_has_gone_is_sent_no_more() -> None:
    reader = Reader()
    there = [True]
    done, _ = replaying(reader, past(500, 1000), lambda: there[0])
    sent = len(reader.got)
    there[0] = False
    reader.flush()
    assert (len(reader.got), done) == (sent, [])


def test_a_message_is_encoded_once_for_all_who_missed_it() -> None:
    kept = past(1)
    one, other = Reader(), Reader()
    replaying(one, kept)
    replaying(other, kept)
    assert one.got[0] is other.got[0]


def test_what_was_held_is_sent_as_far_as_there_is_room_but_for_what_may_be_left_out() -> None:
    reader = Reader()
    size = PIECE // 2

    def send(step: Step) -> None:
        reader.push(step.payload if isinstance(step, Entry) else b"gap")

    held: list[Step] = [each.entry for each in past(3, size)]
    gap = Missed("a", "e", 5, TRIMMED)
    droppable = Entry("b", b"1" * size, Encoding.JSON, 0, epoch="e", offset=1, slow=Slow.DROP)
    assert send_held(reader, held, send) == 2
    assert send_held(reader, [gap, *held], send) == 0
    assert send_held(reader, [droppable, held[2]], send) == 1
    reader.flush()
    assert send_held(reader, [gap, held[2]], send) == 2
