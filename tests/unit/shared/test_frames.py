"""The frames of the client protocol, read and written as maps."""

from typing import Any

import msgspec
import pytest

from shared import frames
from shared.frames import AnyClientFrame

read = msgspec.json.Decoder(AnyClientFrame).decode


def written(frame: frames.ServerFrame) -> Any:
    return msgspec.json.decode(msgspec.json.encode(frame))


def sent(**fields: Any) -> bytes:
    return msgspec.json.encode(fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "connect", "id": 1, "token": "t"}, frames.Connect(1, "t")),
        ({"type": "connect", "id": 1}, frames.Connect(1)),
        (
            {"type": "connect", "id": 1, "client": {"name": "n", "version": "2", "more": 1}},
            frames.Connect(1, "", frames.ClientInfo("n", "2")),
        ),
        ({"type": "subscribe", "id": 2, "topic": "a"}, frames.Subscribe(2, "a")),
        (
            {"type": "subscribe", "id": 2, "topic": "a", "from": {"epoch": "e", "offset": 0}},
            frames.Subscribe(2, "a", frames.Since("e", 0)),
        ),
        (
            {"type": "subscribe", "id": 2, "topic": "#"}
            | {"from": {"at": 7, "topics": {"a": {"epoch": "e", "offset": 3}}}},
            frames.Subscribe(2, "#", frames.Since(at=7, topics={"a": frames.Position("e", 3)})),
        ),
        ({"type": "subscribe", "id": 2, "topic": "a", "tail": 5}, frames.Subscribe(2, "a", tail=5)),
        ({"type": "history", "id": 2, "topic": "a"}, frames.History(2, "a")),
        (
            {"type": "history", "id": 2, "topic": "a", "limit": 7, "before": 9, "after": 0},
            frames.History(2, "a", 7, 9, 0),
        ),
        ({"type": "unsubscribe", "id": 2, "topic": "a"}, frames.Unsubscribe(2, "a")),
        ({"type": "refresh", "id": 2, "token": "t"}, frames.Refresh(2, "t")),
        ({"type": "pong"}, frames.Pong()),
    ],
)
def test_a_client_frame_is_a_map_with_a_type_and_unknown_fields_are_ignored(
    fields: dict[str, Any], expected: AnyClientFrame
) -> None:
    assert read(sent(**fields)) == expected
    assert read(sent(unknown={"x": [1]}, **fields)) == expected


def test_the_data_of_a_publish_is_kept_as_it_came() -> None:
    frame = read(b'{"type":"publish","id":3,"topic":"a","data": {"x" : 1e3 },"key":"k"}')
    assert isinstance(frame, frames.Publish)
    assert (bytes(frame.data), frame.key) == (b'{"x" : 1e3 }', "k")


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "shout", "id": 1},
        {"id": 1},
        {"type": "connect"},
        {"type": "connect", "id": -1},
        {"type": "connect", "id": 2**53},
        {"type": "connect", "id": "1"},
        {"type": "connect", "id": 1, "token": "t" * 8193},
        {"type": "connect", "id": 1, "client": {"name": "n" * 65}},
        {"type": "subscribe", "id": 1},
        {"type": "subscribe", "id": 1, "topic": "t" * 513},
        {"type": "subscribe", "id": 1, "topic": "a", "from": {"epoch": "e", "offset": -1}},
        {"type": "subscribe", "id": 1, "topic": "a", "from": {"epoch": ""}},
        {"type": "subscribe", "id": 1, "topic": "a", "from": {"topics": {"a": {"offset": 1}}}},
        {"type": "subscribe", "id": 1, "topic": "a", "tail": 1001},
        {"type": "history", "id": 1, "topic": "a", "limit": 0},
        {"type": "history", "id": 1, "topic": "a", "limit": 1001},
        {"type": "publish", "id": 1, "topic": "a"},
        {"type": "publish", "id": 1, "topic": "a", "data": 1, "key": ""},
        {"type": "publish", "id": 1, "topic": "a", "data": 1, "key": "k" * 129},
        {"type": "refresh", "id": 1},
    ],
)
def test_what_is_unknown_missing_or_too_large_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(sent(**fields))


def test_a_request_may_be_numbered_with_all_that_javascript_can_count() -> None:
    assert read(sent(type="connect", id=2**53 - 1)) == frames.Connect(2**53 - 1)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            frames.Connected(1, "s", "u", 25, 60),
            {"type": "connected", "id": 1, "session": "s", "user": "u", "heartbeat": 25, "expires_in": 60},
        ),
        (frames.Subscribed(1, "a"), {"type": "subscribed", "id": 1, "topic": "a"}),
        (
            frames.Subscribed(1, "a", "e", 0, False),
            {"type": "subscribed", "id": 1, "topic": "a", "epoch": "e", "offset": 0, "recovered": False},
        ),
        (frames.CaughtUp("a.*", 5), {"type": "caught_up", "topic": "a.*", "at": 5}),
        (frames.Ok(1), {"type": "ok", "id": 1}),
        (frames.Ok(0, offset=0, epoch="e"), {"type": "ok", "id": 0, "offset": 0, "epoch": "e"}),
        (frames.Ok(1, expires_in=0), {"type": "ok", "id": 1, "expires_in": 0}),
        (frames.Error("timeout", "why"), {"type": "error", "code": "timeout", "reason": "why"}),
        (
            frames.Error("rate_limited", "why", 0, 1.5),
            {"type": "error", "code": "rate_limited", "reason": "why", "id": 0, "retry_after": 1.5},
        ),
        (
            frames.Message("a", 1, None, from_="u", key="k"),
            {"type": "message", "topic": "a", "at": 1, "data": None, "from": "u", "key": "k"},
        ),
        (
            frames.Gap("a", "e", 7, "trimmed"),
            {"type": "gap", "topic": "a", "epoch": "e", "offset": 7, "cause": "trimmed"},
        ),
        (
            frames.Result(1, "a", [msgspec.Raw(b'{"type":"message"}')], "e", 7),
            {"type": "result", "id": 1, "topic": "a", "messages": [{"type": "message"}], "epoch": "e", "offset": 7},
        ),
        (frames.Degraded(), {"type": "degraded"}),
        (frames.Degraded(reason="r"), {"type": "degraded", "reason": "r"}),
        (frames.Restored(), {"type": "restored"}),
        (frames.Reconnect(0.0), {"type": "reconnect", "after": 0.0}),
        (frames.Ping(), {"type": "ping"}),
    ],
)
def test_a_server_frame_has_the_fields_of_the_protocol_and_leaves_out_the_absent_ones(
    frame: frames.ServerFrame, expected: dict[str, Any]
) -> None:
    assert written(frame) == expected
