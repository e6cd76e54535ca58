"""Confirms on one channel, against a link that is only written down."""

import pytest

from shared.bus.amqp_publisher import Publisher
from shared.bus.counters import BusCounters
from shared.bus.port import Message
from shared.bus.wire_reader import ChannelClosed, Confirmed, Returned
from shared.errors import BusBlocked, ConfirmTimeout, PublishRefused, Unroutable
from tests.contract.bus.harness import outcome
from tests.support.eventually import eventually


class FakeChannel:
    number = 7


class FakeLink:
    """Keeps what is written."""

    frame_max = 131_072

    def __init__(self):
        self.owners = {}
        self.written = []

    async def channel(self, *, confirms):
        assert confirms
        return FakeChannel()

    def write(self, frames):
        self.written.append(frames)


class Bench:
    def __init__(self):
        self.counters = BusCounters()
        self.publisher = Publisher(self.counters)
        self.link = FakeLink()
        self.closed = []

    async def begin(self):
        self.link = FakeLink()
        await self.publisher.begin(self.link, self.closed.append)

    def publish(self, body=b"", exchange="x", mandatory=False):
        return self.publisher.publish(exchange, "k", Message(body), mandatory)

    def confirm(self, number, *, multiple=False, taken=True):
        self.publisher.hear(Confirmed(7, number, multiple, taken))


@pytest.fixture
async def bench():
    bench = Bench()
    await bench.begin()
    yield bench
    bench.publisher.end()


async def test_each_message_is_told_by_its_number_what_became_of_it(bench):
    futures = [bench.publish() for _ in range(4)]
    bench.confirm(3, taken=False)
    bench.confirm(2, multiple=True)
    bench.confirm(4)
    errors = [await outcome(future) for future in futures]
    assert [type(error) for error in errors] == [type(None), type(None), PublishRefused, type(None)]
    assert (bench.counters.published, bench.counters.confirmed, bench.counters.nacked) == (4, 3, 1)
    assert len(bench.publisher) == 0


async def test_no_confirm_in_time_is_an_unknown_outcome_and_a_late_one_is_counted(bench, monkeypatch):
    monkeypatch.setattr("shared.bus.amqp_publisher.CONFIRM_TIMEOUT", 0.01)
    first, second = bench.publish(), bench.publish()
    assert isinstance(await outcome(first), ConfirmTimeout)
    assert isinstance(await outcome(second), ConfirmTimeout)
    bench.confirm(1)
    assert (bench.counters.confirm_timeouts, bench.counters.late_confirms, bench.counters.confirmed) == (2, 1, 0)
    third = bench.publish()
    bench.confirm(3)
    assert await outcome(third) is None


async def test_a_returned_message_fails_and_its_confirm_after_that_changes_nothing(bench):
    futures = [bench.publish(mandatory=True) for _ in range(2)]
    bench.publisher.hear(Returned(7, "NO_ROUTE", "2"))
    bench.publisher.hear(Returned(7, "NO_ROUTE", None))
    bench.publisher.hear(Returned(7, "NO_ROUTE", "99"))
    bench.confirm(2, multiple=True)
    assert await outcome(futures[0]) is None
    assert isinstance(await outcome(futures[1]), Unroutable)
    assert (bench.counters.confirmed, bench.counters.unroutable) == (1, 1)


@pytest.mark.parametrize("ending", ["confirmed", "refused", "lost"])
async def test_the_bytes_of_a_message_that_nobody_waits_for_any_more_are_free_once(bench, monkeypatch, ending):
    monkeypatch.setattr("shared.bus.amqp_publisher.MAX_UNCONFIRMED_BYTES", 10)
    bench.publish(b"x" * 8, mandatory=True).cancel()
    bench.publisher.hear(Returned(7, "NO_ROUTE", "1"))
    if ending == "lost":
        bench.publisher.end()
        await bench.begin()
    else:
        bench.confirm(1, taken=ending == "confirmed")
    bench.publish(b"x" * 8)
    with pytest.raises(BusBlocked):
        bench.publish(b"x" * 8)
    assert bench.counters.unroutable == 1
    assert (bench.counters.confirmed, bench.counters.nacked, bench.counters.confirm_timeouts) == (0, 0, 0)


async def test_too_many_bytes_that_wait_are_refused_but_one_message_may_be_of_any_size(bench, monkeypatch):
    monkeypatch.setattr("shared.bus.amqp_publisher.MAX_UNCONFIRMED_BYTES", 10)
    bench.publish(b"x" * 100)
    with pytest.raises(BusBlocked):
        bench.publish(b"x")
    bench.confirm(1)
    bench.publish(b"x" * 10)
    with pytest.raises(BusBlocked):
        bench.publish(b"x")
    assert bench.counters.refused_full == 2


async def test_too_many_messages_that_wait_are_refused(bench, monkeypatch):
    monkeypatch.setattr("shared.bus.amqp_publisher.MAX_UNCONFIRMED", 2)
    bench.publish(), bench.publish()
    with pytest.raises(BusBlocked):
        bench.publish()


@pytest.mark.parametrize(
    ("closed", "kind"),
    [
        (ChannelClosed(7, 404, "NOT_FOUND - no exchange 'bad' in vhost '/'"), Unroutable),
        (ChannelClosed(7, 403, "ACCESS_REFUSED - write access to exchange 'bad' refused"), PublishRefused),
        (ChannelClosed(7, 406, "PRECONDITION_FAILED - message size 3 is larger than configured"), PublishRefused),
    ],
)
async def test_the_message_for_which_the_channel_was_closed_is_found_and_what_follows_it_is_sent_again(
    bench, closed, kind
):
    before = bench.publish()
    guilty = bench.publish(b"bad", exchange="bad")
    after = [bench.publish(b"%d" % number) for number in range(2)]
    sent = bench.link.written[2:]
    bench.publisher.hear(closed)
    [refusal] = bench.closed
    assert refusal.code == closed.code
    assert isinstance(await outcome(before), ConfirmTimeout)
    assert type(await outcome(guilty)) is kind
    held = bench.publish(b"held")
    assert len(bench.publisher) == 3
    await bench.begin()
    assert bench.link.written[:2] == sent
    assert len(bench.link.written) == 3
    bench.confirm(3, multiple=True)
    assert [await outcome(future) for future in (*after, held)] == [None] * 3


async def test_where_nobody_knows_which_message_it_was_all_are_unknown(bench):
    futures = [bench.publish() for _ in range(3)]
    bench.publisher.hear(ChannelClosed(7, 406, "PRECONDITION_FAILED - something new"))
    assert all([isinstance(await outcome(future), ConfirmTimeout) for future in futures])


async def test_what_is_held_too_long_is_unknown_too(bench, monkeypatch):
    monkeypatch.setattr("shared.bus.amqp_publisher.CONFIRM_TIMEOUT", 0.01)
    bench.publisher.hear(ChannelClosed(7, 406, "PRECONDITION_FAILED"))
    assert isinstance(await outcome(bench.publish()), ConfirmTimeout)
    await bench.begin()
    assert bench.link.written == []


async def test_a_message_that_no_frame_can_hold_is_refused_while_held_too(bench):
    bench.publisher.hear(ChannelClosed(7, 406, "PRECONDITION_FAILED"))
    with pytest.raises(ValueError, match="255 bytes"):
        bench.publish(exchange="x" * 256)
    assert len(bench.publisher) == 0


async def test_a_lost_connection_fails_all_and_the_next_one_counts_from_one(bench):
    futures = [bench.publish(mandatory=True) for _ in range(3)]
    bench.publisher.end()
    assert all([isinstance(await outcome(future), ConfirmTimeout) for future in futures])
    await bench.begin()
    future = bench.publish()
    bench.confirm(1)
    assert await outcome(future) is None


async def test_no_timer_runs_where_nothing_waits(bench, monkeypatch):
    monkeypatch.setattr("shared.bus.amqp_publisher.CONFIRM_TIMEOUT", 0.01)
    bench.publish()
    bench.confirm(1)
    await eventually(lambda: bench.publisher._timer is None)
