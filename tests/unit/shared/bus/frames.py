"""Frames as a broker sends them, made with pamqp: another hand than ours."""

from pamqp import body, commands, frame, header
from pamqp.commands import Basic


def deliver(channel=1, tag=1, payload=b"body", *, key="k", frame_max=131_072, redelivered=False, **properties):
    method = Basic.Deliver("consumer", tag, redelivered, "exchange", key)
    return frame.marshal(method, channel) + content(channel, payload, frame_max, **properties)


def returned(channel=1, payload=b"body", **properties):
    return frame.marshal(Basic.Return(312, "NO_ROUTE", "exchange", "k"), channel) + content(
        channel, payload, **properties
    )


def content(channel, payload, frame_max=131_072, **properties):
    head = header.ContentHeader(0, len(payload), Basic.Properties(**properties))
    step = frame_max - 8
    pieces = [payload[start : start + step] for start in range(0, len(payload), step)]
    return frame.marshal(head, channel) + b"".join(frame.marshal(body.ContentBody(piece), channel) for piece in pieces)


def method(method, channel=1):
    return frame.marshal(method, channel)


__all__ = ["commands", "content", "deliver", "method", "returned"]
