"""What waits for one client: bounded, in order, and by the topic's policy."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import json

from gateway.backlog import Shed, Sheddable
from gateway.codecs import DIALECTS
from gateway.outbox import Outbox
from shared.envelopes import Slow

JSON = DIALECTS[0]
FULL = Shed(full=True)


def drop(data: bytes, topic: str = "d", offset: int | None = None) -> Sheddable:
    return Sheddable.of(data, topic, Slow.DROP, None if offset is None else "e", offset)


def latest(data: bytes, topic: str = "l") -> Sheddable:
    return Sheddable.of(data, topic, Slow.LATEST, "e", 7)


def filled(*chunks: bytes, bound: int = 10, stalled: bool = True) -> tuple[Outbox, list[Shed | None]]:
    outbox = Outbox()
    return outbox, [outbox.push(chunk, bound, stalled, JSON) for chunk in chunks]


def is_full(shed: Shed | None) -> bool:
    return shed is not None and shed.full


def gap(topic: str, offset: int) -> bytes:
    frame = {"type": "gap", "topic": topic, "epoch": "e", "offset": offset, "cause": "dropped"}
    payload = json.encode(frame)
    return bytes([0x81, len(payload)]) + payload


def test_everything_is_taken_as_one_piece_in_its_order() -> None:
    outbox, shed = filled(b"ab", drop(b"cd"), latest(b"ef"), b"g")
    assert shed == [None] * 4
    assert outbox.size == 7
    assert outbox.take() == b"abcdefg"
    assert (outbox.size, outbox.chunks, outbox.take()) == (0, [], b"")


def test_a_single_frame_is_not_copied() -> None:
    frame = b"shared by all its receivers"
    assert filled(frame, bound=100)[0].take() is frame


def test_what_waits_for_a_client_that_reads_is_a_plain_list_with_nothing_besides() -> None:
    outbox, _ = filled(b"1", drop(b"2"), latest(b"3"), latest(b"4"), stalled=False)
    assert type(outbox.chunks) is list
    outbox, _ = filled(drop(b"123456"), drop(b"789012"))
    outbox.take()
    assert type(outbox.chunks) is list, "as soon as it reads again"


def test_a_full_outbox_of_messages_that_must_not_be_lost_is_full() -> None:
    outbox, shed = filled(b"12345", b"67890", b"x")
    assert shed == [None, None, FULL]
    assert outbox.take() == b"1234567890"


@pytest.mark.parametrize("stalled", [False, True])
def test_of_a_drop_topic_the_oldest_are_left_out(stalled: bool) -> None:
    outbox, shed = filled(drop(b"11"), b"22", drop(b"33"), drop(b"44"), b"55", drop(b"66"), stalled=stalled)
    assert shed[-1] == Shed(dropped=2)
    assert outbox.take() == b"22445566"


def test_an_eighth_more_is_left_out_than_is_needed_so_that_the_next_ones_find_room() -> None:
    outbox, shed = filled(*(drop(b"x") for _ in range(160)), drop(b"y"), *(drop(b"z") for _ in range(20)), bound=160)
    assert shed[160] == Shed(dropped=21)
    assert shed[161:] == [None] * 20
    assert outbox.take() == b"x" * 139 + b"y" + b"z" * 20


def test_messages_that_may_be_left_out_make_room_for_one_that_may_not() -> None:
    outbox, shed = filled(drop(b"11111"), b"22222", b"3333")
    assert shed[-1] == Shed(dropped=1)
    assert outbox.take() == b"222223333"


def test_where_leaving_out_is_not_enough_the_client_must_go() -> None:
    _, shed = filled(drop(b"1"), b"222222222", b"333")
    assert is_full(shed[-1])


def test_a_message_of_a_drop_topic_never_costs_the_connection() -> None:
    outbox, shed = filled(b"1234567890", drop(b"x"), drop(b"x" * 100))
    assert shed[1:] == [Shed(dropped=1)] * 2
    assert outbox.take() == b"1234567890"


def test_a_gap_stands_where_messages_of_a_log_were_dropped_and_says_which_comes_next() -> None:
    large = b"x" * 100
    outbox, shed = filled(
        *(b"before", drop(large, "a", 1), drop(large, "b", 4), drop(large, "a", 2), b"after", drop(large, "a", 3)),
        bound=420,
    )
    assert shed == [None] * 6
    assert outbox.push(drop(large, "a", 4), 420, True, JSON) == Shed(dropped=3, gaps=2)
    assert outbox.take() == b"before" + gap("b", 5) + gap("a", 3) + b"after" + large * 2
    assert outbox.size == 0


def test_a_run_of_drops_leaves_one_gap_however_long_it_is() -> None:
    outbox, shed = filled(*(drop(b"x" * 50, "a", offset) for offset in range(1, 1001)), bound=1000)
    taken = outbox.take()
    kept = taken.count(b"x" * 50)
    assert taken == gap("a", 1001 - kept) + b"x" * 50 * kept
    assert sum(each.dropped for each in shed if each) == 1000 - kept
    assert sum(each.gaps for each in shed if each) == 1


def test_what_was_dropped_as_it_came_is_told_too() -> None:
    outbox, shed = filled(b"1" * 150, drop(b"x" * 40, "a", 1), drop(b"x" * 100, "a", 2), bound=230)
    assert shed[-1] == Shed(dropped=2, gaps=1)
    assert outbox.take() == b"1" * 150 + gap("a", 3)


def test_where_not_even_the_gap_finds_room_the_client_must_go_and_come_back() -> None:
    _, shed = filled(b"1" * 200, drop(b"x" * 40, "a", 1), bound=230)
    assert is_full(shed[-1])


def test_what_has_no_log_is_dropped_without_a_word() -> None:
    outbox, _ = filled(drop(b"x" * 8), drop(b"y" * 8))
    assert outbox.take() == b"y" * 8


def test_after_what_waited_was_written_a_new_run_of_drops_has_its_own_gap() -> None:
    outbox, _ = filled(drop(b"x" * 150, "a", 1), drop(b"x" * 150, "a", 2), bound=250)
    assert outbox.take() == gap("a", 2) + b"x" * 150
    for offset in (3, 4):
        outbox.push(drop(b"x" * 150, "a", offset), 250, True, JSON)
    assert outbox.take() == gap("a", 4) + b"x" * 150


def test_of_a_latest_topic_only_the_last_is_kept_for_a_client_that_does_not_read() -> None:
    outbox, shed = filled(latest(b"1", "a"), latest(b"2", "b"), b"3", latest(b"44", "a"))
    assert shed[-1] == Shed(conflated=1)
    assert outbox.take() == b"2344", "behind what came before it"


def test_for_a_client_that_reads_nothing_is_conflated() -> None:
    outbox, shed = filled(latest(b"1"), latest(b"2"), stalled=False)
    assert shed == [None, None]
    assert outbox.take() == b"12"


def test_topics_of_other_policies_with_the_same_name_are_not_conflated() -> None:
    outbox, _ = filled(drop(b"1", "a"), latest(b"2", "a"))
    assert outbox.take() == b"12"


def test_a_later_value_that_is_larger_respects_the_bound_too() -> None:
    outbox, shed = filled(latest(b"1"), b"22222222", latest(b"333"))
    assert is_full(shed[-1])
    assert outbox.size <= 10
    outbox, shed = filled(drop(b"0"), latest(b"1"), b"22222222", latest(b"33"))
    assert shed[-1] == Shed(dropped=1, conflated=1)
    assert outbox.take() == b"2222222233"


def test_the_last_value_of_a_latest_topic_is_not_left_out_for_others() -> None:
    outbox, shed = filled(latest(b"11111", "a"), b"22222", b"3")
    assert shed[-1] == FULL
    assert outbox.take() == b"1111122222"


def test_earlier_values_of_a_latest_topic_give_way_where_there_is_no_room_for_all() -> None:
    outbox, shed = filled(latest(b"1111"), latest(b"2222"), latest(b"3333"), stalled=False)
    assert shed[-1] == Shed(conflated=2)
    assert outbox.take() == b"3333"


def test_what_was_conflated_for_long_leaves_no_trace() -> None:
    outbox, _ = filled(*(latest(b"%d" % number, f"l{number % 3}") for number in range(10_000)), bound=100)
    assert len(outbox.chunks) < 300
    assert outbox.take() == b"999799989999"


def test_a_cleared_outbox_is_empty() -> None:
    outbox, _ = filled(b"1", drop(b"2"))
    outbox.clear()
    assert (outbox.chunks, outbox.size) == ([], 0)


class Counting(bytes):
    """A frame that must not be lost, and counts how often it is looked at."""

    looks = 0

    @property
    def __class__(self) -> type:  # what isinstance() asks for
        Counting.looks += 1
        return bytes


def test_each_frame_is_looked_at_a_few_times_however_many_messages_come() -> None:
    outbox, _ = filled(*(Counting(b"x") for _ in range(900)), bound=1000)
    Counting.looks = 0
    messages = 4000
    for number in range(messages // 2):
        outbox.push(drop(b"y" * 10), 1000, True, JSON)
        outbox.push(latest(b"z", f"l{number % 5}"), 1000, True, JSON)
    assert Counting.looks < 10 * messages, "not once for each of the 900 that wait"


class Pushing(RuleBasedStateMachine):
    """Any messages, any policies, a socket that stalls and reads again."""

    BOUND = 400

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox()
        self.pushed: list[bytes] = []
        self.last: dict[str, bytes] = {}
        self.offsets = {"a": 0, "b": 0}
        self.known = dict(self.offsets)
        """What a client that has read all so far knows of each log."""

    @rule(
        length=st.integers(1, 220),
        slow=st.sampled_from(Slow),
        topic=st.sampled_from("ab"),
        logged=st.booleans(),
        stalled=st.booleans(),
    )
    def push(self, length: int, slow: Slow, topic: str, logged: bool, stalled: bool) -> None:
        data = bytes([len(self.pushed) % 256]) * length
        chunk = data
        if slow is not Slow.DISCONNECT:
            offset = None
            if logged and slow is Slow.DROP:
                offset = self.offsets[topic] = self.offsets[topic] + 1
            chunk = Sheddable.of(data, topic, slow, "e" if offset else None, offset)
        before = list(self.outbox.chunks)
        shed = self.outbox.push(chunk, self.BOUND, stalled, JSON) or Shed()
        if shed.full:
            self.outbox.clear()  # the connection ends, and the client comes back and resumes
            self.forget()
            self.known = dict(self.offsets)
            return
        after = self.outbox.chunks
        kept = any(chunk is one for one in after)
        lost = [one for one in before if isinstance(one, Sheddable) and not any(one is other for other in after)]
        assert kept or slow is Slow.DROP
        assert len(lost) + (not kept) == shed.dropped + shed.conflated
        if slow is Slow.LATEST:
            self.last[topic] = chunk
        self.pushed.append(chunk)

    @rule()
    def take(self) -> None:
        for chunk in self.outbox.chunks:
            if isinstance(chunk, Sheddable) and chunk.offset is not None:
                assert chunk.offset == self.known[chunk.topic] + 1, "a hole of which the client knows nothing"
                self.known[chunk.topic] += 1
            elif b'"gap"' in chunk:
                told = json.decode(chunk[2:])
                assert self.known[told["topic"]] < told["offset"] - 1, "a gap where nothing is missing"
                self.known[told["topic"]] = told["offset"] - 1
        self.outbox.take()
        assert self.known == self.offsets, "it knows of everything that was sent"
        self.forget()

    def forget(self) -> None:
        self.pushed.clear()
        self.last.clear()

    @invariant()
    def its_size_is_that_of_its_chunks_and_within_the_bound(self) -> None:
        assert self.outbox.size == sum(map(len, self.outbox.chunks)) <= self.BOUND

    @invariant()
    def its_chunks_are_in_the_order_in_which_they_came(self) -> None:
        places = {id(chunk): place for place, chunk in enumerate(self.pushed)}
        found = [places[id(chunk)] for chunk in self.outbox.chunks if id(chunk) in places]
        assert found == sorted(found)

    @invariant()
    def what_must_not_be_lost_is_there(self) -> None:
        waiting = {id(chunk) for chunk in self.outbox.chunks}
        assert all(isinstance(chunk, Sheddable) or id(chunk) in waiting for chunk in self.pushed)

    @invariant()
    def the_last_value_of_every_latest_topic_is_there(self) -> None:
        assert all(any(chunk is one for one in self.outbox.chunks) for chunk in self.last.values())


TestPushing = Pushing.TestCase
TestPushing.settings = settings(max_examples=100)


@given(st.binary(max_size=30), st.text(max_size=5), st.sampled_from(Slow))
def test_a_message_with_a_policy_is_the_same_bytes(data: bytes, topic: str, slow: Slow) -> None:
    chunk = Sheddable.of(data, topic, slow)
    assert (bytes(chunk), chunk.topic, chunk.slow) == (data, topic, slow)
