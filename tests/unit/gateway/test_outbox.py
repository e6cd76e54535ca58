"""What waits for one client: bounded, in order, and by the topic's policy."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.outbox import Outbox, Sheddable, Verdict
from shared.envelopes import Slow


def drop(data: bytes, topic: str = "d") -> Sheddable:
    return Sheddable.of(data, topic, Slow.DROP)


def latest(data: bytes, topic: str = "l") -> Sheddable:
    return Sheddable.of(data, topic, Slow.LATEST)


def filled(*chunks: bytes, bound: int = 10, stalled: bool = True) -> tuple[Outbox, list[Verdict]]:
    outbox = Outbox()
    return outbox, [outbox.push(chunk, bound, stalled=stalled) for chunk in chunks]


def test_everything_is_taken_as_one_piece_in_its_order() -> None:
    outbox, verdicts = filled(b"ab", drop(b"cd"), latest(b"ef"), b"g")
    assert verdicts == [Verdict.KEPT] * 4
    assert outbox.size == 7
    assert outbox.take() == b"abcdefg"
    assert (outbox.size, outbox.chunks, outbox.take()) == (0, [], b"")


def test_a_single_frame_is_not_copied() -> None:
    frame = b"shared by all its receivers"
    assert filled(frame, bound=100)[0].take() is frame


def test_a_full_outbox_of_messages_that_must_not_be_lost_is_full() -> None:
    outbox, verdicts = filled(b"12345", b"67890", b"x")
    assert verdicts == [Verdict.KEPT, Verdict.KEPT, Verdict.FULL]
    assert outbox.take() == b"1234567890"


@pytest.mark.parametrize("stalled", [False, True])
def test_of_a_drop_topic_the_oldest_are_left_out(stalled: bool) -> None:
    outbox, verdicts = filled(drop(b"11"), b"22", drop(b"33"), drop(b"44"), b"55", drop(b"666"), stalled=stalled)
    assert verdicts[-1] is Verdict.DROPPED
    assert outbox.take() == b"224455666"


def test_no_more_is_left_out_than_needed() -> None:
    outbox, _ = filled(drop(b"111"), drop(b"222"), drop(b"333"), drop(b"44"))
    assert outbox.take() == b"22233344"


def test_messages_that_may_be_left_out_make_room_for_one_that_may_not() -> None:
    outbox, verdicts = filled(drop(b"11111"), b"22222", b"3333")
    assert verdicts[-1] is Verdict.DROPPED
    assert outbox.take() == b"222223333"


def test_nothing_is_left_out_where_that_is_not_enough() -> None:
    outbox, verdicts = filled(drop(b"1"), b"222222222", b"333")
    assert verdicts[-1] is Verdict.FULL
    assert outbox.take() == b"1222222222"


def test_a_message_of_a_drop_topic_never_costs_the_connection() -> None:
    outbox, verdicts = filled(b"1234567890", drop(b"x"), drop(b"x" * 100))
    assert verdicts[1:] == [Verdict.DROPPED, Verdict.DROPPED]
    assert outbox.take() == b"1234567890"


def test_of_a_latest_topic_only_the_last_is_kept_for_a_client_that_does_not_read() -> None:
    outbox, verdicts = filled(latest(b"1", "a"), latest(b"2", "b"), b"3", latest(b"44", "a"))
    assert verdicts[-1] is Verdict.CONFLATED
    assert outbox.take() == b"2344", "behind what came before it"


def test_for_a_client_that_reads_nothing_is_conflated() -> None:
    outbox, verdicts = filled(latest(b"1"), latest(b"2"), stalled=False)
    assert verdicts == [Verdict.KEPT, Verdict.KEPT]
    assert outbox.take() == b"12"


def test_topics_of_other_policies_with_the_same_name_are_not_conflated() -> None:
    outbox, _ = filled(drop(b"1", "a"), latest(b"2", "a"))
    assert outbox.take() == b"12"


def test_a_later_value_that_is_larger_respects_the_bound_too() -> None:
    outbox, verdicts = filled(latest(b"1"), b"22222222", latest(b"333"))
    assert verdicts[-1] is Verdict.FULL
    assert outbox.size <= 10
    outbox, verdicts = filled(drop(b"0"), latest(b"1"), b"22222222", latest(b"33"))
    assert verdicts[-1] is Verdict.DROPPED
    assert outbox.take() == b"2222222233"


def test_the_last_value_of_a_latest_topic_is_not_left_out_for_others() -> None:
    outbox, verdicts = filled(latest(b"11111", "a"), b"22222", b"3")
    assert verdicts[-1] is Verdict.FULL
    assert outbox.take() == b"1111122222"


def test_earlier_values_of_a_latest_topic_make_room_for_later_ones() -> None:
    outbox, verdicts = filled(latest(b"1111"), latest(b"2222"), latest(b"3333"), stalled=False)
    assert verdicts[-1] is Verdict.DROPPED
    assert outbox.take() == b"22223333"


def test_a_cleared_outbox_is_empty() -> None:
    outbox, _ = filled(b"1", drop(b"2"))
    outbox.clear()
    assert (outbox.chunks, outbox.size) == ([], 0)


class Pushing(RuleBasedStateMachine):
    """Any messages, any policies, a socket that stalls and reads again."""

    BOUND = 20

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox()
        self.pushed: list[bytes] = []
        self.last: dict[str, bytes] = {}
        self.count = 0

    @rule(
        length=st.integers(1, 12),
        slow=st.sampled_from(Slow),
        topic=st.sampled_from("ab"),
        stalled=st.booleans(),
    )
    def push(self, length: int, slow: Slow, topic: str, stalled: bool) -> None:
        self.count += 1
        data = bytes([self.count % 256]) * length
        chunk = data if slow is Slow.DISCONNECT else Sheddable.of(data, topic, slow)
        before = list(self.outbox.chunks)
        verdict = self.outbox.push(chunk, self.BOUND, stalled=stalled)
        kept = bool(self.outbox.chunks) and self.outbox.chunks[-1] is chunk
        lost = [one for one in before if not any(one is other for other in self.outbox.chunks)]
        assert kept or verdict is Verdict.FULL or (verdict is Verdict.DROPPED and slow is Slow.DROP)
        assert all(isinstance(one, Sheddable) for one in lost)
        assert not lost or verdict is not Verdict.KEPT
        if verdict is Verdict.FULL:
            self.outbox.clear()  # the connection ends
            self.pushed.clear()
            self.last.clear()
            return
        if slow is Slow.LATEST:
            self.last[topic] = chunk
        if kept:
            self.pushed.append(chunk)

    @rule()
    def take(self) -> None:
        self.outbox.take()
        self.pushed.clear()
        self.last.clear()

    @invariant()
    def its_size_is_that_of_its_chunks_and_within_the_bound(self) -> None:
        assert self.outbox.size == sum(map(len, self.outbox.chunks)) <= self.BOUND

    @invariant()
    def its_chunks_are_in_the_order_in_which_they_came(self) -> None:
        places = [next(n for n, one in enumerate(self.pushed) if one is chunk) for chunk in self.outbox.chunks]
        assert places == sorted(places)

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
