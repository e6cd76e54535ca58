"""What the counters of a connection to the broker mean ◆"""

from __future__ import annotations

from shared.telemetry.instruments import Catalogue, counter

BUS: Catalogue = {
    "published": counter("Messages sent to the broker."),
    "confirmed": counter("Messages that the broker took (publisher confirms)."),
    "nacked": counter("Messages that the broker refused: a queue on their way was full. Add routers."),
    "unroutable": counter("Messages for which there was no queue or no exchange. Check with penstock topology check."),
    "confirm_timeouts": counter("Messages whose confirm did not come in 5 s; they may have been taken or not."),
    "late_confirms": counter("Confirms that came after nobody waited for them any more."),
    "refused_away": counter("Messages not sent, since there was no connection to the broker."),
    "refused_blocked": counter("Messages not sent, since the broker holds publishers back (memory or disk alarm)."),
    "refused_full": counter("Messages not sent, since too many were waiting for their confirms."),
    "received": counter("Messages received from the broker."),
    "redelivered": counter("Messages received that had been given out before: a process died or lost its connection."),
    "stale_acks": counter("Acknowledgements of messages that the broker has given to somebody else since."),
    "unreadable_headers": counter("Messages whose headers could not be read; they were handled without them."),
    "depths_doubted": counter("Times RabbitMQ took so long to say that a queue is empty that it was asked again."),
    "handler_errors": counter("Messages whose handler failed by a bug of ours. Report it with its log line."),
    "connections_lost": counter("Connections to the broker that were lost."),
    "reconnections": counter("Times that everything was back after a lost connection."),
    "attempts_failed": counter("Attempts to connect to the broker that failed."),
    "channels_lost": counter("Channels that the broker closed."),
    "consumers_cancelled": counter("Consumers that the broker cancelled: their queue was deleted or moved."),
}
