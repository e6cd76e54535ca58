"""What the embedded store's logs forget, and when. The rest is in tests/contract/store."""

from shared.store.memory_log import ENTRY_BYTES, LOG_BYTES
from shared.store.memory_logs import Logs
from shared.store.port import DEDUPE, REMEMBERED, Append, Read


def put(logs, topic, now=0.0, *, entry=b"", history=100, ttl=60, key=None):
    return logs.append(Append(topic, entry, history, ttl, key), now)


def look(logs, topic, now=0.0):
    return logs.read(Read(topic, limit=100), now)


def test_a_key_is_known_for_its_time_and_not_longer():
    logs = Logs()
    first, _ = put(logs, "a", key=("k",))
    assert put(logs, "a", DEDUPE, key=("k",)) == (first, True)
    again, repeated = put(logs, "a", DEDUPE + 1, key=("k",))
    assert (again.offset, repeated) == (2, False)


def test_keys_that_are_over_are_let_go_as_others_come():
    logs = Logs()
    for number in range(10):
        put(logs, "a", key=("old", number))
    for number in range(10):
        put(logs, "a", DEDUPE + 1, key=("new", number))
    assert logs.keys == 10
    assert logs.counters.keys_forgotten == 0


def test_beyond_their_bound_the_oldest_keys_go_and_are_counted():
    logs = Logs(max_keys=2)
    for name in ("a", "b", "c"):
        put(logs, "t", key=(name,))
    assert (logs.keys, logs.counters.keys_forgotten) == (2, 1)
    assert put(logs, "t", key=("c",))[1]
    assert not put(logs, "t", key=("a",))[1]


def test_an_unused_log_is_remembered_with_its_epoch_for_a_day_beyond_its_history():
    logs = Logs()
    before, _ = put(logs, "a", ttl=60)
    log = look(logs, "a", 60 + REMEMBERED)
    assert (log.epoch, log.head, log.first, list(log.entries)) == (before.epoch, 1, 2, [])
    later = look(logs, "a", 2 * (60 + REMEMBERED))
    assert later.epoch == before.epoch, "reading uses it"
    gone = look(logs, "a", 3 * (60 + REMEMBERED) + 1)
    assert (gone.head, gone.epoch == before.epoch) == (0, False)


def test_what_is_too_old_is_let_go_while_others_are_appended_to():
    logs = Logs()
    for number in range(20):
        put(logs, f"old.{number}", ttl=10)
    size = logs.size
    for _ in range(40):
        put(logs, "new", 11, history=1)
    assert logs.size == size - 20 * ENTRY_BYTES + ENTRY_BYTES + LOG_BYTES
    assert len(logs) == 21, "their epochs stay"
    for _ in range(40):
        put(logs, "new", 11 + REMEMBERED + 11, history=1)
    assert len(logs) == 1
    assert logs.recent(10**9, 11 + REMEMBERED + 11) == ["new"]


def test_beyond_their_bound_the_longest_unused_log_goes_and_begins_a_new_epoch():
    logs = Logs(max_logs=2)
    first = {topic: put(logs, topic)[0].epoch for topic in ("a", "b")}
    look(logs, "a")
    put(logs, "c")
    assert (len(logs), logs.counters.logs_evicted) == (2, 1)
    assert look(logs, "a").epoch == first["a"]
    assert put(logs, "b")[0].epoch != first["b"]


def test_beyond_their_bytes_the_longest_unused_log_goes():
    logs = Logs(max_bytes=3 * (LOG_BYTES + ENTRY_BYTES + 500))
    for topic in ("a", "b", "c"):
        put(logs, topic, entry=bytes(500))
    assert logs.counters.logs_evicted == 0
    before = look(logs, "b").epoch
    put(logs, "d", entry=bytes(500))
    assert (len(logs), logs.counters.logs_evicted) == (3, 1)
    assert look(logs, "b").epoch == before
    assert look(logs, "a").head == 0


def test_a_log_that_alone_is_too_large_loses_its_oldest_entries_and_keeps_its_epoch():
    logs = Logs(max_bytes=LOG_BYTES + 2 * (ENTRY_BYTES + 500))
    first, _ = put(logs, "a", entry=bytes(500))
    for _ in range(3):
        last, _ = put(logs, "a", entry=bytes(500))
    log = look(logs, "a")
    assert (last.epoch, log.head, log.first) == (first.epoch, 4, 3)
    assert (logs.counters.logs_evicted, logs.counters.logs_shortened) == (0, 2)
    put(logs, "a", entry=bytes(10_000))
    assert [offset for offset, _ in look(logs, "a").entries] == [5], "one entry stays in any case"


def test_the_size_is_that_of_what_is_kept():
    logs = Logs()
    for number in range(50):
        put(logs, f"t.{number % 3}", number, entry=bytes(number), history=4, ttl=30)
        look(logs, f"t.{number % 5}", number)
    kept = [look(logs, f"t.{number}", 50).entries for number in range(5)]
    assert logs.size == 5 * LOG_BYTES + sum(ENTRY_BYTES + len(entry) for entries in kept for _, entry in entries)
    logs.clear()
    assert (len(logs), logs.size, logs.keys) == (0, 0, 0)


def test_a_log_that_went_before_its_time_bounds_what_is_told_of_recent_topics():
    logs = Logs(max_logs=2)
    for at, topic in enumerate("ab", start=1):
        put(logs, topic, float(at))
    assert logs.whole_since == float("-inf")
    put(logs, "c", 3.0)
    assert (logs.recent(10.0, 3.0), logs.whole_since) == (["c", "b"], 1.0)


def test_more_topics_than_are_told_of_bound_it_too(monkeypatch):
    monkeypatch.setattr("shared.store.memory_logs.MAX_RECENT", 2)
    logs = Logs()
    for at, topic in enumerate("abc", start=1):
        put(logs, topic, float(at))
    assert (logs.recent(10.0, 3.0), logs.whole_since) == (["c", "b"], 1.0)
