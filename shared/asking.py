"""What all requests and all replies on the bus have ◆

See `shared.envelopes`, where all kinds of them come together.
"""

from __future__ import annotations

from msgspec import Struct


class Request(Struct, array_like=True, gc=False):
    """What a session asks of a router. `session` is the gateway's number for it, `id` the session's for the request.

    No session uses a number twice, so that a late answer is never taken for another's.
    """

    session: int
    id: int


class GrantedRequest(Request, gc=False):
    """A request that needs a right. `grant` is the place of the session's grant in the batch's list."""

    grant: int


class Reply(Struct, array_like=True, gc=False):
    """A router's answer to the request `id` of `session`."""

    session: int
    id: int
