"""What travels on the bus, between processes of one release and of two."""

from contextlib import suppress
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import attending, envelopes
from shared.envelopes import Encoding, Slow, pack
from shared.errors import MalformedEnvelope

texts = st.text(max_size=20)
numbers = st.integers(0, 2**53 - 1)
payloads = st.binary(max_size=50)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


infos = st.sampled_from([None, {"name": "Ann"}, 7]).map(lambda info: msgspec.Raw(msgpack.packb(info)))
members = st.builds(attending.Member, texts, texts, infos)
requests = st.one_of(
    st.builds(envelopes.ConnectRequest, numbers, numbers, texts, texts),
    st.builds(envelopes.SubscribeRequest, numbers, numbers, st.integers(0, 127), texts, st.booleans()),
    st.builds(
        envelopes.PublishRequest,
        numbers,
        numbers,
        st.integers(0, 127),
        texts,
        payloads,
        st.sampled_from(Encoding),
        maybe(texts),
    ),
    st.builds(
        envelopes.RefreshRequest,
        numbers,
        numbers,
        st.integers(0, 127),
        texts,
        st.lists(texts, max_size=3).map(tuple),
    ),
    st.builds(envelopes.ProbeRequest, numbers, numbers),
    st.builds(
        attending.AttendRequest,
        numbers,
        numbers,
        texts,
        st.lists(members, max_size=2),
        st.lists(members, max_size=2),
        st.booleans(),
    ),
    st.builds(attending.PresenceRequest, numbers, numbers, st.integers(0, 127), texts),
    st.builds(attending.RenewRequest, numbers, numbers, numbers),
    st.builds(attending.SessionsRequest, numbers, numbers, maybe(texts), numbers),
    st.builds(envelopes.FetchRequest, numbers, numbers, texts, numbers, numbers),
    st.builds(envelopes.GrownRequest, numbers, numbers, texts, st.floats(0, 1e6)),
    st.builds(
        envelopes.HistoryRequest, numbers, numbers, st.integers(0, 127), texts, numbers, maybe(numbers), maybe(numbers)
    ),
)
entries = st.builds(
    envelopes.Entry,
    texts,
    payloads,
    st.sampled_from(Encoding),
    numbers,
    st.sampled_from(Slow),
    maybe(texts),
    maybe(texts),
    maybe(texts),
    maybe(numbers),
    maybe(texts),
)
replies = st.one_of(
    st.builds(envelopes.Granted, numbers, numbers, payloads, texts, st.integers(-1, 2**31), texts),
    st.builds(envelopes.SubscribeAllowed, numbers, numbers, texts, maybe(texts), maybe(numbers), maybe(st.booleans())),
    st.builds(envelopes.Published, numbers, numbers, maybe(texts), maybe(numbers)),
    st.builds(envelopes.Refused, numbers, numbers, texts, texts, maybe(st.floats(0, 60)), maybe(st.just(4101))),
    st.builds(envelopes.Refreshed, numbers, numbers, payloads, texts, numbers, st.lists(texts).map(tuple), texts),
    st.builds(envelopes.Probed, numbers, numbers),
    st.builds(
        envelopes.Fetched, numbers, numbers, texts, texts, numbers, numbers, st.lists(entries, max_size=3)
    ),
    st.builds(envelopes.HistoryRead, numbers, numbers, texts, texts, numbers, st.lists(entries, max_size=3)),
    st.builds(attending.Attended, numbers, numbers, st.floats(0, 300)),
    st.builds(attending.PresenceRead, numbers, numbers, texts, st.lists(members, max_size=3), numbers),
    st.builds(attending.Renewed, numbers, numbers, texts, st.floats(0, 300), st.booleans()),
    st.builds(attending.SessionsRead, numbers, numbers, st.lists(members, max_size=3), numbers),
)

notices = st.builds(attending.Notice, texts, st.sampled_from(attending.Change), members)

KINDS: list[tuple[envelopes.Reader[Any], st.SearchStrategy[Any]]] = [
    (
        envelopes.read_frames,
        st.builds(
            envelopes.FrameBatch, st.just(1), texts, st.lists(payloads, max_size=3), st.lists(requests, max_size=5)
        ),
    ),
    (
        envelopes.read_deliveries,
        st.builds(envelopes.DeliveryBatch, st.just(1), st.lists(entries, max_size=5), st.lists(notices, max_size=3)),
    ),
    (envelopes.read_replies, st.builds(envelopes.ReplyBatch, st.just(1), st.lists(replies, max_size=5))),
    (envelopes.read_kick, st.builds(envelopes.Kick, maybe(texts), maybe(texts), maybe(texts), texts)),
]
any_envelope = st.one_of(*(envelope.map(lambda one, reader=reader: (reader, one)) for reader, envelope in KINDS))


@given(any_envelope)
def test_an_envelope_that_is_read_is_the_one_that_was_packed(pair: tuple[envelopes.Reader[Any], Any]) -> None:
    read, envelope = pair
    assert read(pack(envelope)) == envelope


@given(any_envelope, st.lists(st.sampled_from([1, "x", None, [{}]]), min_size=1, max_size=3))
def test_an_older_reader_skips_what_a_newer_writer_added(
    pair: tuple[envelopes.Reader[Any], Any], added: list[Any]
) -> None:
    read, envelope = pair
    newer = msgpack.unpackb(pack(envelope), strict_map_key=False)
    if isinstance(newer[-1], list):
        newer[-1] = [[*item, *added] for item in newer[-1]]
    assert read(msgpack.packb([*newer, *added])) == envelope


def test_a_newer_reader_has_defaults_for_what_an_older_writer_left_out() -> None:
    entry = envelopes.read_deliveries(msgpack.packb([1, [["a", b"1", 0, 7]]])).items[0]
    assert entry == envelopes.Entry("a", b"1", Encoding.JSON, 7)
    assert (entry.slow, entry.key, entry.sender, entry.epoch, entry.offset, entry.trace) == (0, *[None] * 5)
    assert envelopes.read_kick(msgpack.packb(["kick"])) == envelopes.Kick()
    assert envelopes.read_replies(msgpack.packb([1, [[2, 5, 6]]])).items == [envelopes.Published(5, 6)]


def test_the_wire_format_stays_as_it_is() -> None:
    """Each release must read what the one before it wrote: new fields go to the end."""
    publish = envelopes.PublishRequest(7, 9, 0, "a", b"{}", Encoding.JSON, "k")
    connect = envelopes.ConnectRequest(7, 9, "token", "127.0.0.1")
    subscribe = envelopes.SubscribeRequest(7, 9, 0, "a.#", True, 2.5, at=1000)
    refresh = envelopes.RefreshRequest(7, 9, 0, "token", ("a",))
    probe = envelopes.ProbeRequest(0, 1)
    fetch = envelopes.FetchRequest(-1, 1, "a", 5, 1000)
    history = envelopes.HistoryRequest(7, 9, 0, "a", 100, None, 5)
    ann = attending.Member("ann", "boot.1", msgspec.Raw(msgpack.packb({"name": "Ann"})))
    about_presence: list[envelopes.AnyRequest] = [
        attending.AttendRequest(-2, 1, "a", [ann], [attending.Member("bob", "boot.2")], False),
        attending.PresenceRequest(7, 9, 0, "a"),
        attending.RenewRequest(-2, -1, 15),
        attending.SessionsRequest(-3, 1, "ann", 100),
    ]
    grown = envelopes.GrownRequest(-4, 1, "a.#", 2.5)
    others: list[envelopes.AnyRequest] = [connect, subscribe, grown, publish, refresh, probe, fetch, history]
    batch = envelopes.FrameBatch(1, "boot", [b"g"], [*others, *about_presence])
    assert msgpack.unpackb(pack(batch)) == [
        1,
        "boot",
        [b"g"],
        [
            [0, 7, 9, "token", "127.0.0.1"],
            [1, 7, 9, 0, "a.#", True, 2.5, False, 1000],
            [7, -4, 1, "a.#", 2.5],
            [2, 7, 9, 0, "a", b"{}", 0, "k"],
            [3, 7, 9, 0, "token", ["a"]],
            [4, 0, 1],
            [5, -1, 1, "a", 5, 1000],
            [6, 7, 9, 0, "a", 100, None, 5],
            [16, -2, 1, "a", [["ann", "boot.1", {"name": "Ann"}]], [["bob", "boot.2", None]], False],
            [17, 7, 9, 0, "a"],
            [18, -2, -1, 15],
            [19, -3, 1, "ann", 100],
        ],
    ]
    entry = envelopes.Entry("a", b"1", Encoding.JSON, 7, Slow.DISCONNECT, "k", "u", "e", 4)
    answers: list[envelopes.AnyReply] = [
        envelopes.Granted(7, 9, b"g", "u", 60, "j"),
        envelopes.SubscribeAllowed(7, 9, "a", "e", 3, True, (envelopes.Head("a", "e", 3),), 5, b"\xc0"),
        envelopes.Published(7, 9, "e", 4),
        envelopes.Refused(7, 9, "forbidden", "why", 1.5, 4101),
        envelopes.Refreshed(7, 9, b"g", "u", 60, ("a",), "j"),
        envelopes.Probed(0, 1),
        envelopes.Fetched(-1, 1, "a", "e", 4, 2, [entry]),
        envelopes.HistoryRead(7, 9, "a", "e", 4, [entry]),
        attending.Attended(-2, 1, 5.0),
        attending.PresenceRead(7, 9, "a", [ann], 3),
        attending.Renewed(-2, -1, "lease", 20.0, True),
        attending.SessionsRead(-3, 1, [ann], 3),
    ]
    assert msgpack.unpackb(pack(envelopes.ReplyBatch(1, answers))) == [
        1,
        [
            [0, 7, 9, b"g", "u", 60, "j"],
            [1, 7, 9, "a", "e", 3, True, [["a", "e", 3]], 5, b"\xc0"],
            [2, 7, 9, "e", 4],
            [3, 7, 9, "forbidden", "why", 1.5, 4101],
            [4, 7, 9, b"g", "u", 60, ["a"], "j"],
            [5, 0, 1],
            [6, -1, 1, "a", "e", 4, 2, [["a", b"1", 0, 7, 0, "k", "u", "e", 4, None, 0]]],
            [7, 7, 9, "a", "e", 4, [["a", b"1", 0, 7, 0, "k", "u", "e", 4, None, 0]]],
            [16, -2, 1, 5.0],
            [17, 7, 9, "a", [["ann", "boot.1", {"name": "Ann"}]], 3],
            [18, -2, -1, "lease", 20.0, True],
            [19, -3, 1, [["ann", "boot.1", {"name": "Ann"}]], 3],
        ],
    ]
    notice = attending.Notice("a", attending.Change.LEFT, ann)
    assert msgpack.unpackb(pack(envelopes.DeliveryBatch(1, [], [notice]))) == [
        1,
        [],
        [["a", 2, ["ann", "boot.1", {"name": "Ann"}]]],
    ]
    assert envelopes.read_deliveries(msgpack.packb([1, []])).notices == [], "as an older router says it"
    assert msgpack.unpackb(pack(envelopes.Kick("u", "s", "j", "r"))) == ["kick", "u", "s", "j", "r"]


def test_the_items_of_a_batch_can_be_read_one_by_one() -> None:
    good = envelopes.ProbeRequest(0, 1)
    body = msgpack.packb([1, "boot", [], [[99, "from the future"], [4, 0, 1]]])
    with pytest.raises(MalformedEnvelope):
        envelopes.read_frames(body)
    odd, fine = envelopes.read_frames_loosely(body).items
    assert msgspec.msgpack.decode(odd) == [99, "from the future"]
    assert msgspec.msgpack.decode(fine, type=envelopes.AnyRequest) == good


def test_a_grant_carries_what_the_token_says_of_its_bearer_unread() -> None:
    info = msgspec.Raw(msgpack.packb({"name": "Ann"}))
    grant = envelopes.Grant("u", ("a.#",), (), ("m",), 1_700_000_000, "j", info)
    back = envelopes.read_grant(pack(grant))
    assert (back.user, back.subscribe, back.publish, back.call) == ("u", ("a.#",), (), ("m",))
    assert (back.expires, back.jti, bytes(back.info)) == (1_700_000_000, "j", bytes(info))
    assert msgpack.unpackb(pack(envelopes.Grant("u", (), (), (), 0)))[-1] is None


@pytest.mark.parametrize(
    "read", [reader for reader, _ in KINDS] + [envelopes.read_frames_loosely, envelopes.read_grant]
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"{}",
        msgpack.packb(None),
        msgpack.packb([]),
        msgpack.packb({"version": 1}),
        msgpack.packb(["one", "two"]),
        b"\xdd\xff\xff\xff\xff",
        b"\x94\x01\xa1\xff\x90\x90",
        b"\x91" * 100_000,
        b"\x94\x01\xa1b\x90" + b"\x91" * 100_000,
    ],
)
def test_what_is_no_envelope_is_told_so(read: envelopes.Reader[Any], body: bytes) -> None:
    with pytest.raises(MalformedEnvelope, match="not a "):
        read(body)


@given(st.binary(max_size=200), st.sampled_from([reader for reader, _ in KINDS]))
def test_no_bytes_raise_anything_else(body: bytes, read: envelopes.Reader[Any]) -> None:
    with suppress(MalformedEnvelope):
        read(body)
