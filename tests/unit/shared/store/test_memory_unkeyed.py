"""What the embedded store remembers of entries without a key is bounded."""

from shared.store import memory_unkeyed
from shared.store.memory_logs import Logs
from shared.store.port import DEDUPE, Append, Turn

ONE = b"1" * 8


def unkeyed(topic="a", again=False):
    return Append(topic, b"1", 10, 300, digest=ONE, again=again)


def given(logs, turn, append, now=0.0):
    logs.unkeyed.begin(turn)
    return logs.append(append, now, turn)


def test_what_is_acknowledged_is_remembered_no_longer():
    logs = Logs()
    for number in range(100):
        given(logs, Turn(b"router-1", number), unkeyed(f"a.{number}"))
    assert len(logs.unkeyed) == 1


def test_what_belongs_to_a_log_goes_with_it():
    logs = Logs(max_logs=2)
    for number in range(5):
        given(logs, Turn(b"router-%d" % number, 1), unkeyed(f"a.{number}"))
    assert len(logs.unkeyed) == 2
    logs.clear()
    assert len(logs.unkeyed) == 0


def test_it_is_known_for_so_long_as_a_key_is():
    logs = Logs()
    given(logs, Turn(b"router-1", 1), unkeyed())
    assert given(logs, Turn(b"router-2", 1), unkeyed(again=True), DEDUPE)[1]
    assert not given(logs, Turn(b"router-3", 1), unkeyed(again=True), 2 * DEDUPE + 1)[1]


def test_tenures_that_ended_are_forgotten_in_time(monkeypatch):
    monkeypatch.setattr(memory_unkeyed, "MAX_TENURES", 3)
    logs = Logs()
    for number in range(10):
        given(logs, Turn(b"router-%d" % number, 1), unkeyed())
    assert len(logs.unkeyed._last) == 3
    assert logs.counters.tenures_forgotten == 7


def test_the_end_of_a_turn_that_nobody_knows_any_more_takes_nothing_along(monkeypatch):
    """What its router cannot say any more holds until it grows old: at worst it stands for one that comes again."""
    monkeypatch.setattr(memory_unkeyed, "MAX_TENURES", 1)
    logs = Logs()
    given(logs, Turn(b"router-1", 1), unkeyed())
    given(logs, Turn(b"router-2", 1), unkeyed("b"))
    logs.unkeyed.begin(Turn(b"router-1", 2))
    assert given(logs, Turn(b"router-3", 1), unkeyed(again=True))[1]
