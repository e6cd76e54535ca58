"""Asks routers which topics have grown while this gateway may have been deaf: one that is new would not be missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.effects import Ask
from gateway.listening import Listening
from shared.clock import monotonic
from shared.envelopes import Grown, GrownRequest

MAX_PATTERNS = 64
"""Patterns that are asked about one by one; where there are more, one question is about all topics."""

ASK_AGAIN, ASK_AGAIN_CAP = 2.0, 30.0
"""Seconds after which a question that nobody answers is asked again, at first and at most: twice as long each time."""

EVERYTHING = "#"


@dataclass(slots=True)
class Question:
    """What is asked about `pattern`, which stands for all patterns where `everything`: what grew since `since`."""

    pattern: str
    since: float
    everything: bool = False
    due: float = 0.0
    tries: int = 0


class LookBack:
    """See above. `ask` sends a request to a router under the number that `number` gives it.

    `session` is the asker's number, by which answers find the way back.
    """

    def __init__(
        self, listening: Listening, ask: Callable[[Ask], None], number: Callable[[], int], *, session: int
    ) -> None:
        self._listening = listening
        self._ask = ask
        self._number = number
        self._session = session
        self._questions: dict[int, Question] = {}
        """By the number of the last request; `MAX_PATTERNS` at most."""
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()

    def begin(self, since: float) -> None:
        """Ask what has grown since then; monotonic seconds. What is being asked already is asked anew."""
        since = min([since, *(question.since for question in self._questions.values())])
        # Nobody has missed what was before the first of them listened.
        patterns = {pattern: max(since, began) for pattern, began in self._listening.patterns().items()}
        self._questions.clear()
        if len(patterns) > MAX_PATTERNS:
            questions = [Question(EVERYTHING, min(patterns.values()), everything=True)]
        else:
            questions = [Question(pattern, began) for pattern, began in patterns.items()]
        now = monotonic()
        for question in questions:
            self._put(question, now)
        self._arm(now)

    def settle(self, reply: Grown) -> Question | None:
        """Return the question that this answers, which is asked no more; None where it is of an earlier time."""
        return self._questions.pop(reply.id, None)

    def _put(self, question: Question, now: float) -> None:
        number = self._number()
        question.due = now + min(ASK_AGAIN_CAP, ASK_AGAIN * 2**question.tries)
        question.tries += 1
        self._questions[number] = question
        self._ask(Ask(question.pattern, GrownRequest(self._session, number, question.pattern, now - question.since)))

    def _arm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = min((question.due for question in self._questions.values()), default=None)
        self._timer = None if due is None else self._loop.call_later(max(0.0, due - now), self._run)

    def _run(self) -> None:
        now = monotonic()
        overdue = [number for number, question in self._questions.items() if question.due <= now]
        for number in overdue:
            question = self._questions.pop(number)
            if question.everything or question.pattern in self._listening:
                self._put(question, now)
        self._arm(now)
