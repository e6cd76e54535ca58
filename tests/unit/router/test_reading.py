import msgspec
import pytest

from router.reading import read_batch
from router.refusals import DeadReason, Unprocessable
from shared.envelopes import FrameBatch, ProbeRequest, pack
from tests.unit.router.builders import grant, publish

pack_any = msgspec.msgpack.encode


def test_a_batch_is_read_with_its_gateway_its_grants_and_its_requests():
    batch = read_batch(pack(FrameBatch(1, "gw", [pack(grant())], [publish("a"), ProbeRequest(1, 2)])))
    assert batch.asker.gateway == "gw"
    assert batch.asker.grants == [grant()]
    assert batch.requests == [publish("a"), ProbeRequest(1, 2)]
    assert batch.unreadable == []


def test_a_grant_that_cannot_be_read_is_none_and_costs_the_others_nothing():
    batch = read_batch(pack(FrameBatch(1, "gw", [b"\xc1", pack(grant())], [])))
    assert batch.asker.grants == [None, grant()]


def test_of_a_batch_with_odd_items_the_others_are_read_in_their_order():
    odd = [[99, 1, 2], "text", [2, 1, 1, 0, 5, b"1", 0]]
    items = [msgspec.to_builtins(each, builtin_types=(bytes,)) for each in (ProbeRequest(1, 1), ProbeRequest(1, 2))]
    batch = read_batch(pack_any([1, "gw", [], [odd[0], items[0], odd[1], odd[2], items[1]]]))
    assert batch.requests == [ProbeRequest(1, 1), ProbeRequest(1, 2)]
    assert batch.unreadable == [pack_any(each) for each in odd]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        pack_any({}),
        pack_any([1]),
        pack_any([1, "gw", [], 5]),
        pack_any([1, 7, [], []]),
        b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
    ],
)
def test_what_is_no_batch_at_all_is_unprocessable(body):
    with pytest.raises(Unprocessable) as why:
        read_batch(body)
    assert why.value.reason is DeadReason.UNREADABLE_BATCH


@pytest.mark.parametrize("items", [[], ["odd"]])
def test_a_batch_of_another_version_is_unprocessable(items):
    with pytest.raises(Unprocessable, match="another version"):
        read_batch(pack_any([2, "gw", [], items]))


def test_fields_that_a_newer_gateway_adds_are_skipped():
    assert read_batch(pack_any([1, "gw", [], [[4, 1, 2, "new"]], "new"])).requests == [ProbeRequest(1, 2)]
