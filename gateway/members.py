"""Frames about who is at a topic, of what routers say ◆"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from shared import attending, frames

_decode = msgspec.msgpack.Decoder().decode


def change(notice: attending.Notice) -> frames.ServerFrame:
    """Return the frame that tells of a member who joined or left."""
    kind = frames.Joined if notice.change is attending.Change.JOINED else frames.Left
    return kind(notice.topic, member(notice.member))


def result(request: int, read: attending.PresenceRead) -> frames.Members:
    """Return the answer to a client's ``presence``."""
    return frames.Members(request, read.topic, [member(each) for each in read.members], read.count)


def member(of: attending.Member) -> frames.Member:
    """Return a member as clients see it."""
    return frames.Member(of.user, of.session, _info(of.info))


def _info(packed: msgspec.Raw) -> Any:
    """Return what the token said of a user; nothing where it said nothing, or what is no MessagePack."""
    try:
        info = _decode(packed)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return UNSET
    return UNSET if info is None or info == {} else info
