import msgpack
from hypothesis import given
from hypothesis import strategies as some

from shared.store.port import Admit, Append, Limit
from shared.store.valkey_packing import REMEMBERED_LIMITS, Packing, packed_key
from shared.topics import slot

KEYS = some.lists(some.text() | some.integers(-(2**63), 2**64 - 1), max_size=4).map(tuple)


@given(KEYS, KEYS)
def test_no_two_keys_are_packed_alike(one, other):
    assert (packed_key(one) == packed_key(other)) == ([(type(part), part) for part in one] == [
        (type(part), part) for part in other
    ])


def test_all_keys_of_a_topic_are_in_one_slot_of_a_cluster():
    packing = Packing("penstock")
    assert packing.tag("a:b") == f"penstock:{{{slot('a:b')}}}:"


def unpacked(command, packing):
    asked = msgpack.unpackb(packing.admit([packing.command(command)], "epoch"), raw=True)
    return asked[5][0]


def test_bytes_travel_as_what_the_servers_lua_can_read():
    packing = Packing("p")
    command = Admit((Limit(("u", 1), 2.0, 3),), Append("a.b", b"\xff\x00", 7, 60, ("k",), b"\xfe" * 8, True))
    limits, tag, topic, entry, history, ttl, key, digest, again = unpacked(command, packing)
    assert limits == [[b"p:rate:" + msgpack.packb(("u", 1)), 5e5, 1.5e6]]
    assert (tag, topic, entry, history, ttl) == (packing.tag("a.b").encode(), b"a.b", b"\xff\x00", 7, 60_000)
    assert key == msgpack.packb(("a.b", ("k",)))
    assert (digest, again) == (b"\xfe" * 8, True)
    assert b"\xc4" not in packing.admit([packing.command(Admit((), Append("t", b"e", 1, 1, ("k",))))], "e")


def test_limits_are_packed_once_and_what_is_kept_is_bounded():
    packing = Packing("p")
    limits = (Limit(("u",), 1.0, 1),)
    assert packing.limits(limits) is packing.limits(limits)
    for number in range(REMEMBERED_LIMITS + 10):
        packing.limits((Limit((number,), 1.0, 1),))
    assert len(packing._limits) <= REMEMBERED_LIMITS
    assert packing.limits(()) is None
