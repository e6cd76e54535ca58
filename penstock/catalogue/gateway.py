"""What a gateway's counters mean ◆"""

from __future__ import annotations

from shared.telemetry.instruments import Catalogue, counter, gauge

GATEWAY: Catalogue = {
    "connections": gauge("WebSocket connections open now."),
    "sessions": gauge("Connections open now that are authenticated."),
    "accepted": counter("Connections accepted."),
    "handshakes_refused": counter("Handshakes refused: a foreign Origin, a limit, a broken request."),
    "closed": counter("Connections closed by the gateway.", by="code"),
    "errors": counter("Error frames sent to clients.", by="code"),
    "faults": counter("Connections closed with 4003 by a bug of ours. Report it with its log line."),
    "frames_received": counter("Frames received from clients."),
    "bad_requests": counter("Frames answered with bad_request."),
    "bad_frames": counter("Connections closed with 4106 or 4107: what came was no frame, or too large."),
    "rate_limited": counter("Frames answered with rate_limited by the gateway's flood guard."),
    "floods": counter("Connections closed with 4105: they went on in spite of rate_limited."),
    "too_many_pending": counter("Requests refused, since the client had too many without an answer."),
    "too_many_subscriptions": counter("Subscriptions refused, since the connection had as many as it may."),
    "requests": counter("Requests sent to routers."),
    "requests_refused": counter("Requests answered overloaded or unavailable by the gateway itself."),
    "request_timeouts": counter("Requests answered timeout: no router replied in time. Are there enough routers?"),
    "late_replies": counter("Replies of routers that came after the timeout, and were dropped."),
    "odd_replies": counter("Replies that fit no request. A few after a restart; more is a bug."),
    "envelopes_malformed": counter("Messages from the bus that could not be read. Is another version running?"),
    "batches_sent": counter("Batches of requests sent to routers."),
    "batches_refused": counter("Batches that the broker refused or could not take."),
    "batches_unconfirmed": counter("Batches whose confirm did not come in time."),
    "reads_paused": counter("Times a socket was not read, since the uplink was full."),
    "messages": counter("Messages received for topics that somebody here hears."),
    "messages_unheard": counter("Messages received for topics that nobody here hears; they share a slot with others."),
    "deliveries": counter("Messages times receivers: what was written to clients."),
    "presence_reports": counter("Reports to routers of sessions that came to topics with presence, or left them."),
    "presence_refused": counter("Of these, the ones that no router could take in; they are made again."),
    "presence_pushed": counter("Members that joined or left a topic, times the clients that were told."),
    "leases_lost": counter("Times this gateway was held for dead, or the store had forgotten it: it reports all anew."),
    "dropped": counter("Deliveries dropped for slow clients, by the rule of their topic (slow = drop)."),
    "conflated": counter("Deliveries replaced by a newer one for slow clients (slow = latest)."),
    "slow_closed": counter("Connections closed with 4002: they read too slowly (slow = disconnect)."),
    "flushes": counter("Writes to sockets."),
    "stalls": counter("Times the event loop stood still for more than 1 s. Is there enough CPU?"),
    "stalled_seconds": counter("Seconds for which it did, in all."),
    "kicked": counter("Sessions ended by penstock.control (4103)."),
    "healed": counter("Messages that the bus lost, doubled or overtook, put right out of their logs."),
    "gaps": counter("Times subscribers were told that messages were missed.", by="cause"),
    "resumed": counter("Subscriptions that said where they left off, by whether all was recovered.", by="recovered"),
    "replayed": counter("Messages sent out of logs to clients that came back."),
    "discoveries_asked": counter("Times a router was asked where a topic begins that patterns alone hear."),
    "places_forgotten": counter(
        "Topics heard through patterns alone that were too many to remember: a gap stands before what comes next."
    ),
    "deliveries_dropped": counter("Times, once in 5 s, that RabbitMQ had dropped what waited for this gateway."),
    "sent_back": counter("Clients sent to resume, as it could not be told what they missed of a pattern."),
    "ranges_asked": counter("Times a router was asked for the past of a topic; one serves all who come back to it."),
    "degradations": counter("Times the service became degraded: the broker was away or blocked."),
    "bindings_refused": counter("Orders to bind slots that the broker refused; see the log line slots_refused."),
    "events_emitted": counter("Events published by POST /api/events."),
    "events_refused": counter("Events of POST /api/events that the broker did not take."),
}

PORT: Catalogue = {
    "heads_waiting": gauge("Connections whose request is not complete now."),
    "http_connections": gauge("Connections that speak HTTP now."),
    "heads_timed_out": counter("Connections closed, since no whole request came in time."),
    "heads_evicted": counter("Connections closed without a whole request, since too many newer ones came."),
    "heads_refused": counter("Connections whose request was too large, or no HTTP at all."),
    "http_refused": counter("Requests turned away, since too many connections spoke HTTP: in all, or of an address."),
    "http_answers": counter("Answers over HTTP.", by="status"),
    "http_failures": counter("Requests that failed by a bug of ours. Report it with the log line http.failed."),
}
"""Of the gateway's port, before a connection is a session or a request."""
