"""What waits for a turn, and who is next ◆

Messages of one queue stay in their order. One that came back again and again may be what ended those who worked on it:
it is a turn of its own, so that what was done before it is settled, whatever comes of it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence

from shared.bus.port import Received
from shared.envelopes import MAX_BYTES, MAX_ITEMS


class Line:
    """Messages in the order in which they came. Its bound is the prefetch, which is the caller's."""

    def __init__(self) -> None:
        self._messages: deque[Received] = deque()
        self._alone = False
        """Whether the next turn is that of a doubtful one, where there is any."""
        self.doubtful = 0
        """How many of the messages are doubtful."""
        self.rivals = 0
        """How many other queues began with a message as doubtful as the one that was taken last."""

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._messages)

    def put(self, received: Received) -> None:
        """Let a message wait behind all others."""
        self._messages.append(received)
        if received.doubtful:
            self.doubtful += 1

    def put_back(self, several: Sequence[Received]) -> None:
        """Let messages that were taken wait before all others."""
        self._messages.extendleft(reversed(several))
        self.doubtful += sum(each.doubtful for each in several)

    def clear(self) -> None:
        """Forget all."""
        self._messages.clear()
        self.doubtful = 0

    @property
    def first(self) -> Received | None:
        """Return what came first, None where nothing waits."""
        return self._messages[0] if self._messages else None

    def queues(self) -> dict[str, int]:
        """Return how many wait of each queue."""
        return Counter(received.queue for received in self._messages)

    def take_out(self, queues: Collection[str]) -> list[Received]:
        """Take out all messages of these queues."""
        out = [received for received in self._messages if received.queue in queues]
        self._messages = deque(received for received in self._messages if received.queue not in queues)
        self.doubtful -= sum(each.doubtful for each in out)
        return out

    def take(self) -> list[Received]:
        """Take the next turn out: at most `MAX_ITEMS` messages and `MAX_BYTES` bytes, or a larger one alone.

        Where some are doubtful, one of them is a turn of its own, in turns with the others. `len` must not be 0.
        """
        if not self.doubtful:
            turn = list(_fitting(self._messages))
            for _ in turn:
                self._messages.popleft()
            return turn
        turn = [] if self._alone else list(_fitting(self._beyond_doubt()))
        self._alone = bool(turn)
        if not turn:
            turn = [self._most_doubtful()]
            self.doubtful -= 1
        taken = set(map(id, turn))
        self._messages = deque(each for each in self._messages if id(each) not in taken)
        return turn

    def _beyond_doubt(self) -> Iterator[Received]:
        """Yield what is not doubtful, and behind nothing doubtful of its own queue."""
        doubted = set()
        for received in self._messages:
            if received.doubtful:
                doubted.add(received.queue)
            elif received.queue not in doubted:
                yield received

    def _most_doubtful(self) -> Received:
        """Choose the doubtful message that is done now, so that an innocent one never dies with a culprit.

        All that is in hand when we die comes back once more, the culprit always. So what has come back more often than
        it goes first and gets away, and what has come back less often stays behind it until it is dead. Of those that
        are level some go before the culprit and, as the queues are taken up or down in turns, the others next time.
        """
        first = list(self._first_doubtful())
        most = max(each.returns for each in first)
        level = [each for each in first if each.returns == most]
        self.rivals = len(level) - 1
        return (max if most % 2 else min)(level, key=lambda each: each.queue)

    def _first_doubtful(self) -> Iterator[Received]:
        """Yield the first message of each queue, where that is doubtful; where all are, that is one at least."""
        seen = set()
        for received in self._messages:
            if received.queue not in seen and received.doubtful:
                yield received
            seen.add(received.queue)


def _fitting(messages: Iterator[Received] | deque[Received]) -> Iterator[Received]:
    size = 0
    for place, received in enumerate(messages):
        size += len(received.body)
        if place and (place == MAX_ITEMS or size > MAX_BYTES):
            return
        yield received
