from hypothesis import given
from hypothesis import strategies as st

from router.routing import Deliveries, replies_to
from shared.bus.topology import ANY_SLOT, CC_HEADER, DELIVER, REPLIES
from shared.envelopes import (
    MAX_BYTES,
    MAX_ITEMS,
    Encoding,
    Entry,
    Granted,
    Published,
    pack,
    read_deliveries,
    read_replies,
)
from shared.topics import slot


def entry(topic="a", payload=b"1", **more):
    return Entry(topic, payload, Encoding.JSON, 1, **more)


def routed(entries):
    deliveries = Deliveries()
    for each in entries:
        deliveries.add(each)
    return deliveries.finish()


entries = st.lists(
    st.builds(
        entry,
        st.sampled_from(["a", "b", "c.d", "e.f.g"]),
        st.integers(0, 3).flatmap(lambda size: st.just(b"x" * (size * 30_000))) | st.binary(max_size=50),
        key=st.none() | st.text(max_size=5),
        sender=st.none() | st.text(max_size=5),
    ),
    max_size=300,
)


@given(entries)
def test_no_entry_is_lost_changed_or_overtaken(entries):
    batches = [read_deliveries(out.message.body) for out in routed(entries)]
    assert [each for batch in batches for each in batch.items] == entries


@given(entries)
def test_a_batch_keeps_its_bounds_unless_one_entry_alone_is_larger(entries):
    for out in routed(entries):
        items = read_deliveries(out.message.body).items
        assert 1 <= len(items) <= MAX_ITEMS
        assert len(out.message.body) <= MAX_BYTES or len(items) == 1


@given(entries)
def test_a_batch_goes_to_all_its_slots_and_to_those_who_hear_everything(entries):
    for out in routed(entries):
        slots = {str(slot(each.topic)) for each in read_deliveries(out.message.body).items}
        keys = [out.routing_key, *out.message.headers[CC_HEADER]]
        assert out.exchange == DELIVER
        assert len(keys) == len(set(keys))
        assert set(keys) == slots | {ANY_SLOT}


def test_batches_are_as_few_as_can_be():
    assert len(routed([entry()] * MAX_ITEMS)) == 1
    assert len(routed([entry()] * (MAX_ITEMS + 1))) == 2
    room = MAX_BYTES - len(pack(entry())) - 5
    assert len(routed([entry(), entry(payload=b"x" * (room - len(pack(entry())) - 3))])) == 1


def test_deliveries_and_replies_do_not_outlive_the_broker():
    assert not routed([entry()])[0].message.durable
    assert not replies_to("gw", [Published(1, 1)])[0].message.durable


def test_nothing_makes_no_message():
    assert routed([]) == []
    assert replies_to("gw", []) == []


@given(st.lists(st.integers(0, 60_000), max_size=300))
def test_replies_keep_their_order_and_the_bounds(sizes):
    replies = [Granted(n, n, b"g" * size, "ada", 60) for n, size in enumerate(sizes)]
    messages = replies_to("gw-1", replies)
    assert all((out.exchange, out.routing_key) == (REPLIES, "gw-1") for out in messages)
    batches = [read_replies(out.message.body).items for out in messages]
    assert [reply for batch in batches for reply in batch] == replies
    assert all(len(batch) <= MAX_ITEMS for batch in batches)
    assert all(len(out.message.body) <= MAX_BYTES for out in messages)
