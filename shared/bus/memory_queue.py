"""One queue of the memory broker: bounds, consumers, redelivery; the rules of RabbitMQ's ◆

https://www.rabbitmq.com/docs/quorum-queues and …/consumers#single-active-consumer say what is copied here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush

from shared.bus.port import Message
from shared.bus.topology import Overflow, Queue


@dataclass(slots=True)
class Letter:
    """A message in a queue. `attempts` counts how often it was handed out and came back."""

    message: Message
    exchange: str
    routing_key: str
    attempts: int = 0
    position: int = 0

    def __lt__(self, other: Letter) -> bool:
        return self.position < other.position

    @property
    def size(self) -> int:
        """Return the bytes that count towards the queue's bound: those of the body, as in RabbitMQ."""
        return len(self.message.body)


@dataclass(eq=False, slots=True)
class Consumer:
    """Somebody who takes messages, `holding` so many that are not settled, at most `prefetch`."""

    priority: int
    prefetch: int
    exclusive: bool = False
    holding: int = 0

    @property
    def has_credit(self) -> bool:
        """Say whether it may be given one more."""
        return self.holding < self.prefetch


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A letter that left its queue for the dead-letter exchange, and why, in RabbitMQ's words."""

    letter: Letter
    reason: str


class MemoryQueue:
    """Letters in order, and who gets the next one."""

    def __init__(self, shape: Queue) -> None:
        self.shape = shape
        self.consumers: list[Consumer] = []
        self.stuck: deque[DeadLetter] = deque()
        """Dead letters that nobody would take yet; they count as waiting here, so that the bounds hold for them too."""
        self._active: Consumer | None = None
        self._turn = 0
        self._last_position = 0
        self._returned: list[Letter] = []
        """A heap: what came back is older than all that waits in `_fresh`."""
        self._fresh: deque[Letter] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many letters wait; those in a consumer's hands are not counted, as in RabbitMQ."""
        return len(self._returned) + len(self._fresh)

    def is_full_for(self, letter: Letter) -> bool:
        """Say whether `letter` is over the bounds."""
        messages = len(self) + len(self.stuck) + 1
        return messages > self.shape.max_messages or self._bytes + letter.size > self.shape.max_bytes

    def offer(self, letter: Letter) -> tuple[bool, list[DeadLetter]]:
        """Put `letter` at the end; return whether it was taken, and what had to leave for it."""
        dropped = []
        if self.is_full_for(letter):
            if self.shape.overflow is Overflow.REJECT_PUBLISH:
                return False, []
            while len(self) and self.is_full_for(letter):
                dropped.append(DeadLetter(self._pop(), "maxlen"))
        self._last_position += 1
        letter.position = self._last_position
        self._fresh.append(letter)
        self._bytes += letter.size
        return True, dropped

    def take(self) -> tuple[Consumer, Letter] | None:
        """Hand out the next letter, or None where none waits or nobody may have one."""
        if not len(self) or (consumer := self._next_consumer()) is None:
            return None
        consumer.holding += 1
        return consumer, self._pop()

    def settle(self, consumer: Consumer) -> None:
        """Note that `consumer` is done with one letter."""
        consumer.holding -= 1

    def give_back(self, consumer: Consumer, letter: Letter) -> DeadLetter | None:
        """Put `letter` back where it stood; return it as dead where it has come back once too often."""
        consumer.holding -= 1
        letter.attempts += 1
        limit = self.shape.delivery_limit
        if limit is not None and letter.attempts > limit:
            return DeadLetter(letter, "delivery_limit")
        heappush(self._returned, letter)
        self._bytes += letter.size
        return None

    def forget_transient(self) -> None:
        """Lose what does not survive a broker's restart."""
        kept = [letter for letter in (*sorted(self._returned), *self._fresh) if letter.message.durable]
        self._returned, self._fresh = [], deque(kept)
        self._bytes = sum(letter.size for letter in kept)

    def add(self, consumer: Consumer) -> None:
        """Let `consumer` take part."""
        self.consumers.append(consumer)

    def remove(self, consumer: Consumer) -> None:
        """Let `consumer` take no more; it may still settle what it has."""
        if consumer in self.consumers:
            self.consumers.remove(consumer)
        if self._active is consumer:
            self._active = None

    def _pop(self) -> Letter:
        letter = heappop(self._returned) if self._returned else self._fresh.popleft()
        self._bytes -= letter.size
        return letter

    def _next_consumer(self) -> Consumer | None:
        if not self.consumers:
            return None
        if self.shape.single_active_consumer:
            return self._single_active()
        ready = [consumer for consumer in self.consumers if consumer.has_credit]
        if not ready:
            return None
        highest = max(consumer.priority for consumer in ready)
        peers = [consumer for consumer in ready if consumer.priority == highest]
        self._turn += 1
        return peers[self._turn % len(peers)]

    def _single_active(self) -> Consumer | None:
        # The first of the highest. An active one that is outranked gets no more, and hands over when its hands are
        # empty: so two never work on one queue, and order holds through the change.
        best = max(self.consumers, key=lambda consumer: consumer.priority)
        if self._active is None or (best.priority > self._active.priority and not self._active.holding):
            self._active = best
        if best.priority > self._active.priority or not self._active.has_credit:
            return None
        return self._active
