"""The gateway's WebSocket against the Autobahn test suite, as ``make conformance``.

`echo` is the gateway's port, handshake and connection, as they ship, with an echo in place of a session; `suite` has
the cases run against it, and `verdicts` says what came of them. The table stands in ``docs/reliability.md``.
"""
