"""Both dialects, both ways."""

import json

import msgpack
import pytest

from penstock_client import errors
from penstock_client.codec import CODECS

both = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())


@both
def test_a_frame_survives_the_way_there_and_back(codec):
    frame = {"type": "publish", "id": 1, "data": {"text": "grüße ✓", "list": [1, 2.5, None, True]}}
    assert codec.decode(codec.join([codec.encode(frame)])) == frame


def test_several_frames_travel_as_one_array():
    frames = [{"type": "pong", "id": number} for number in range(20)]
    for name, read in (("json", json.loads), ("msgpack", msgpack.unpackb)):
        codec = CODECS[name]
        assert read(codec.join([codec.encode(frame) for frame in frames])) == frames


def test_msgpack_carries_bytes_and_json_says_that_msgpack_would():
    assert CODECS["msgpack"].decode(CODECS["msgpack"].encode({"data": b"\x00"})) == {"data": b"\x00"}
    with pytest.raises(errors.InvalidArgument, match="msgpack"):
        CODECS["json"].encode({"data": b"\x00"})


@pytest.mark.parametrize("data", [float("nan"), float("inf"), "\ud800", object(), {(1, 2): 3}])
def test_json_refuses_what_is_not_json(data):
    with pytest.raises(errors.InvalidArgument):
        CODECS["json"].encode({"data": data})


@pytest.mark.parametrize("data", [2**70, object(), "\ud800"])
def test_msgpack_refuses_what_it_has_no_type_for(data):
    with pytest.raises(errors.InvalidArgument):
        CODECS["msgpack"].encode({"data": data})


@both
def test_endless_data_is_refused(codec):
    data = []
    data.append(data)
    with pytest.raises(errors.InvalidArgument):
        codec.encode({"data": data})


@pytest.mark.parametrize("message", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000, b'{"a":1}x'])
def test_a_message_that_is_no_json_frame_is_a_protocol_error(message):
    with pytest.raises(errors.ProtocolError):
        CODECS["json"].decode(message)


@pytest.mark.parametrize(
    "message",
    [b"", b"\x07", b"\x90", b"\xc1", b"\xdf\xff\xff\xff\xff", b"\x91" * 100_000, b"\x80\x80", b"\x81\x90\x01", b"\x81"],
)
def test_a_message_that_is_no_msgpack_frame_is_a_protocol_error(message):
    with pytest.raises(errors.ProtocolError):
        CODECS["msgpack"].decode(message)


def test_payloads_with_keys_that_are_no_strings_are_read():
    assert CODECS["msgpack"].decode(msgpack.packb({"data": {1: 2}})) == {"data": {1: 2}}
