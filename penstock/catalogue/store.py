"""What the counters of a store mean ◆"""

from __future__ import annotations

from shared.telemetry.instruments import Catalogue, counter

STORE: Catalogue = {
    "calls": counter("Batches given to the store; each is one round trip, or a few where it is large.", by="kind"),
    "items": counter("What was in them: publishes and events, logs to read, gateways' reports.", by="kind"),
    "appended": counter("Messages put into topics' logs."),
    "seconds": counter("Seconds that calls took, the way there and back included; by calls, the usual time of one."),
    "failures": counter("Calls that failed: the store was away, full, or too slow. See the log line store.away."),
    "refused": counter("Calls not made, since too many were waiting: the store is too slow."),
    "logs_evicted": counter("Logs that had no room in memory any more; their topics begin new epochs."),
    "logs_shortened": counter("Messages dropped from a log in memory that alone was too large."),
    "keys_forgotten": counter("Idempotency keys in memory that had to go before their time."),
    "rates_evicted": counter("Rates in memory that had to go, the longest unused first."),
    "rates_forgiven": counter("Of these, the ones that had not filled up again: somebody got a whole burst anew."),
    "attempts_forgotten": counter("Attempts at messages that came back, forgotten in memory before their time."),
    "tenures_forgotten": counter("Tenures forgotten in memory: an event without an id may be taken for its like."),
}
"""The last seven are of the store in memory alone."""
