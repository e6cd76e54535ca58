"""What a router counts: plain integers, read by whoever tells others ◆"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from shared.telemetry.instruments import Catalogue, counter, gauge


@dataclass(slots=True)
class Counters:
    """Since the router started, but for the gauges at the top."""

    in_hand: int = 0
    held: int = 0
    spilling: int = 0
    store_away: int = 0
    parked: int = 0
    received: int = 0
    redelivered: int = 0
    doubtful: int = 0
    turns: int = 0
    requests: int = 0
    events: int = 0
    published: int = 0
    repeated: int = 0
    unkeyed_forgotten: int = 0
    spilled: int = 0
    spill_drained: int = 0
    handed_over: int = 0
    noticed: int = 0
    logs_read: int = 0
    denied: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    delivery_batches: int = 0
    reply_batches: int = 0
    faults: int = 0
    retries: int = 0
    store_losses: int = 0
    store_away_seconds: float = 0.0
    limited_alone: int = 0
    unsendable: int = 0
    dropped_stale: int = 0
    dead_rejected: int = 0
    dead_lost: int = 0
    parked_refused: int = 0


ROUTER: Catalogue = {
    "in_hand": gauge("Messages received and not settled yet."),
    "held": gauge("Events that wait, unacknowledged, for the store to come back."),
    "spilling": gauge("Partitions whose events wait in penstock.spill, or are taken out of it."),
    "store_away": gauge("Whether the store is away now: 1, or 0."),
    "parked": gauge("Requests that wait for the issuer's keys."),
    "received": counter("Messages received: batches of gateways, events of back ends."),
    "redelivered": counter("Of these, the ones that had been given to a router before."),
    "doubtful": counter("Of these, the ones that had come back twice or more; each is worked on alone."),
    "turns": counter("Turns: each takes what waits, decides, delivers, answers and acknowledges."),
    "requests": counter("Requests of clients."),
    "events": counter("Events of back ends."),
    "published": counter("Messages delivered to the gateways, of clients and back ends."),
    "repeated": counter("Messages that stood in their topic's log before: the first one counts, and goes out again."),
    "unkeyed_forgotten": counter(
        "Events without an id that would be logged twice if they came again: a topic had more than 1,024 in one turn."
    ),
    "spilled": counter("Events that were moved to penstock.spill, to wait there for the store."),
    "spill_drained": counter("Of these, the ones that were taken out again, and are done."),
    "handed_over": counter("Partitions given up while events of them waited, as a router came that ranks higher."),
    "noticed": counter("Members that joined a topic with presence, or left it; told to who wants to know."),
    "logs_read": counter("Reads of topics' logs: for those who subscribe, come back, or ask for history."),
    "denied": counter("Requests that were refused.", by="code"),
    "dead": counter("Messages and parts of batches that went to penstock.dead.", by="reason"),
    "delivery_batches": counter("Batches of deliveries published."),
    "reply_batches": counter("Batches of replies published."),
    "faults": counter("Exceptions that nobody expected; each cost one item."),
    "retries": counter("Attempts to deliver, answer or reach the store that had to be made again."),
    "store_losses": counter("Times the store went away."),
    "store_away_seconds": counter("Seconds for which the store was away, up to the last attempt to reach it."),
    "limited_alone": counter("Publishes whose rates this router checked alone, since the store was away."),
    "unsendable": counter("Deliveries and answers that were lost because no bus can carry them."),
    "dropped_stale": counter("Messages let go because their connection was lost; they come again."),
    "dead_rejected": counter("Messages left to the broker's dead-lettering because penstock.dead took no more."),
    "dead_lost": counter("Unreadable parts of batches that were lost because penstock.dead took no more."),
    "parked_refused": counter("Requests refused because too many waited for the issuer's keys."),
}
