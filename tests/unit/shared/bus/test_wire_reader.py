"""The stream from a broker, however it is cut."""

import datetime
import os
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.commands import Basic

from shared.bus.wire import HEARTBEAT_FRAME
from shared.bus.wire_reader import (
    FRAME_LIMIT,
    Blocked,
    ChannelClosed,
    Confirmed,
    ConnectionClosed,
    ConsumerCancelled,
    Delivered,
    Flowing,
    Returned,
    WireError,
    WireReader,
)
from tests.unit.shared.bus.frames import content, deliver, method, returned


def read(*pieces):
    reader, events, others = WireReader(), [], b""
    for piece in pieces:
        more, rest = reader.feed(piece)
        events += more
        others += rest
    return events, others


def test_a_delivery_is_read_with_all_that_we_use():
    stream = deliver(
        7,
        2**40,
        b"\x00\xce",
        key="orders.1",
        redelivered=True,
        content_type="application/json",
        content_encoding="gzip",
        headers={"traceparent": "00", "n": 5},
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        reply_to="r",
        expiration="60000",
        message_id="m",
        timestamp=datetime.datetime.fromtimestamp(1_700_000_000, datetime.UTC),
        message_type="t",
        user_id="u",
        app_id="a",
    )
    [event], others = read(stream)
    assert isinstance(event, Delivered)
    assert event[:6] == (7, b"consumer", 2**40, True, "exchange", "orders.1")
    assert event.body == b"\x00\xce"
    assert event.properties == ("application/json", {"traceparent": "00", "n": 5}, "c", "m", 1_700_000_000)
    assert others == b""


def test_a_delivery_without_properties_and_body_is_read():
    [event], _ = read(deliver(payload=b""))
    assert event.body == b""
    assert event.properties == (None, {}, None, None, None)


def test_a_body_in_many_frames_is_put_together():
    payload = os.urandom(10_000)
    [event], _ = read(deliver(payload=payload, frame_max=4096))
    assert event.body == payload


def test_contents_of_several_channels_may_be_woven_into_each_other():
    one, two = deliver(1, 1, b"one"), deliver(2, 1, b"two")
    woven = b"".join(piece for pair in zip(_frames(one), _frames(two), strict=True) for piece in pair)
    assert [(event.channel, event.body) for event in read(woven)[0]] == [(1, b"one"), (2, b"two")]


@given(st.data())
def test_however_the_stream_is_cut_the_result_is_the_same(data):
    stream = b"".join(
        [
            deliver(1, 1, b"x" * 5000, frame_max=4096, message_id="m"),
            method(Basic.Ack(3, True)),
            HEARTBEAT_FRAME,
            method(commands.Queue.DeclareOk("q", 1, 2)),
            returned(correlation_id="9"),
            deliver(2, 2, b""),
        ]
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    edges = [0, *cuts, len(stream)]
    assert read(*[stream[start:end] for start, end in pairwise(edges)]) == read(stream)


def test_a_stream_in_single_bytes_is_read():
    stream = deliver(1, 1, os.urandom(300), headers={"k": "v"}) + method(Basic.Nack(5, False, False))
    assert read(*[stream[at : at + 1] for at in range(len(stream))]) == read(stream)


def test_a_large_body_in_single_bytes_costs_time_in_proportion():
    payload = bytes(130_000)
    stream = deliver(payload=payload)
    [event], _ = read(*[stream[at : at + 1] for at in range(len(stream))])
    assert event.body == payload


@pytest.mark.parametrize(
    ("stream", "event"),
    [
        (method(Basic.Ack(3, False)), Confirmed(1, 3, False, True)),
        (method(Basic.Ack(3, True), 4), Confirmed(4, 3, True, True)),
        (method(Basic.Nack(3, True, True)), Confirmed(1, 3, True, False)),
        (method(Basic.Nack(3, False, True)), Confirmed(1, 3, False, False)),
        (returned(correlation_id="7"), Returned(1, "NO_ROUTE", "7")),
        (returned(), Returned(1, "NO_ROUTE", None)),
        (method(commands.Channel.FlowOk(True), 3), Flowing(3)),
        (method(commands.Connection.Blocked("low on memory"), 0), Blocked("low on memory")),
        (method(commands.Connection.Unblocked(), 0), Blocked(None)),
    ],
)
def test_what_comes_with_messages_is_taken_out_of_the_stream(stream, event):
    assert read(stream) == ([event], b"")


@pytest.mark.parametrize(
    ("stream", "event"),
    [
        (method(Basic.Cancel("consumer")), ConsumerCancelled(1, b"consumer")),
        (method(commands.Channel.Close(404, "NOT_FOUND - x", 60, 40)), ChannelClosed(1, 404, "NOT_FOUND - x")),
        (method(commands.Connection.Close(320, "FORCED", 0, 0), 0), ConnectionClosed(320, "FORCED")),
    ],
)
def test_what_must_be_answered_is_told_and_handed_on(stream, event):
    assert read(stream) == ([event], stream)


def test_everything_else_is_handed_on_in_whole_frames():
    stream = method(commands.Queue.DeclareOk("q", 1, 2)) + method(commands.Connection.Start(), 0)
    pieces = []
    reader = WireReader()
    for at in range(len(stream)):
        events, others = reader.feed(stream[at : at + 1])
        assert not events
        pieces += [others] if others else []
    assert pieces == [method(commands.Queue.DeclareOk("q", 1, 2)), method(commands.Connection.Start(), 0)]


def test_heartbeats_are_dropped():
    assert read(HEARTBEAT_FRAME * 3) == ([], b"")


def test_headers_that_cannot_be_read_are_none_and_what_follows_them_is_read():
    stream = deliver(headers={"k": "v"}, message_id="m")
    broken = stream.replace(b"\x01kS", b"\x01k?")
    [event], _ = read(broken)
    assert event.properties == (None, None, None, "m", None)


def test_text_that_is_not_utf8_is_replaced():
    stream = deliver(key="kkkk").replace(b"kkkk", b"k\xff\xfek")
    [event], _ = read(stream)
    assert event.routing_key == "k\ufffd\ufffdk"


def test_a_channel_that_is_closed_in_the_middle_of_a_content_begins_anew():
    half = deliver(payload=b"x" * 100)[:-60]
    whole_frames = b"".join(_frames(half))
    close = method(commands.Channel.Close(406, "gone", 0, 0))
    events, _ = read(whole_frames, close, deliver(payload=b"new"))
    assert [type(event) for event in events] == [ChannelClosed, Delivered]


@pytest.mark.parametrize(
    "stream",
    [
        deliver()[:-1] + b"\x00",
        b"\x01\x00\x01" + (FRAME_LIMIT + 1).to_bytes(4, "big") + b"x",
        content(1, b"x"),
        method(Basic.Deliver("c", 1, False, "e", "k")) + content(1, b"xx")[-10:],
        b"\x03\x00\x01\x00\x00\x00\x01x\xce",
        b"\x01\x00\x01\x00\x00\x00\x02\x00\x3c\xce",
        b"\x01\x00\x01\x00\x00\x00\x06\x00\x3c\x00\x3c\xff\xff\xce",
    ],
    ids=["no end", "too long", "no method", "no header", "body alone", "half a method", "cut short"],
)
def test_what_is_not_amqp_is_an_error(stream):
    with pytest.raises(WireError):
        read(stream)


def test_noise_is_an_error_or_nothing_and_never_anything_else():
    chance = random.Random(5)
    for _ in range(2000):
        stream = bytearray(deliver(headers={"k": ["a", 1]}, message_id="m") + method(Basic.Ack(1, False)))
        for _ in range(chance.randrange(1, 4)):
            stream[chance.randrange(len(stream))] = chance.randrange(256)
        try:
            read(bytes(stream))
        except WireError:
            continue


def _frames(stream):
    at, frames = 0, []
    while at + 8 <= len(stream):
        end = at + 8 + int.from_bytes(stream[at + 3 : at + 7], "big")
        if end > len(stream):
            break
        frames.append(stream[at:end])
        at = end
    return frames
