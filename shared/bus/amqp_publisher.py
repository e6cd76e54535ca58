"""Publishing with confirms on one channel, which is opened again when the broker closes it."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass

from shared.bus.amqp_link import Link
from shared.bus.amqp_refusals import Refusal, culprit, of_message
from shared.bus.confirms import fail
from shared.bus.counters import BusCounters
from shared.bus.port import CONFIRM_TIMEOUT, MAX_UNCONFIRMED, MAX_UNCONFIRMED_BYTES, Message
from shared.bus.unconfirmed import Unconfirmed
from shared.bus.wire import check_strings, publish_frames
from shared.bus.wire_reader import ChannelClosed, ChannelEvent, Confirmed, Returned
from shared.errors import BusBlocked, BusError, ConfirmTimeout, PublishRefused, Unroutable


@dataclass(eq=False, slots=True)
class Publication:
    """A message on its way. `name` is its correlation id where it is mandatory.

    `done` says that its outcome is known. The future does not: whoever waits for it may have cancelled it.
    """

    future: Future[None]
    deadline: float
    exchange: str
    routing_key: str
    message: Message
    name: str | None
    done: bool = False


class Publisher:
    """The messages of one bus, numbered and matched with the broker's confirms and returns.

    A message that must reach a queue carries a number of ours as its correlation id, by which its return is known; the
    id that the caller gave may repeat, and stays what it is.
    """

    def __init__(self, counters: BusCounters) -> None:
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._channel = 0
        self._unconfirmed: Unconfirmed[Publication] = Unconfirmed()
        self._held: list[Publication] = []
        """What waits for the channel to be opened again; it counts with the unconfirmed."""
        self._mandatory: dict[str, Publication] = {}
        self._names = 0
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._on_channel_closed: Callable[[Refusal], None] = lambda refusal: None

    def __len__(self) -> int:
        """Return how many messages wait for their confirms."""
        return len(self._unconfirmed) + len(self._held)

    def waiting(self) -> list[Future[None]]:
        """Return the futures of all that wait for their confirms."""
        return [each.future for each in (*self._unconfirmed, *self._held)]

    async def begin(self, link: Link, closed: Callable[[Refusal], None]) -> None:
        """Open a channel on `link` and send what is held; call `closed` when the broker closes it."""
        channel = await link.channel(confirms=True)
        self._link, self._channel, self._on_channel_closed = link, channel.number, closed
        link.owners[channel.number] = self
        held, self._held = self._held, []
        for publication in held:
            self._send(publication)

    def end(self) -> None:
        """Have lost the connection: what is unconfirmed may have been taken or not."""
        self._link = None
        for publication in (*self._unconfirmed.clear(), *self._held):
            self._fail(publication, ConfirmTimeout("the connection was lost before the confirm came"))
        self._held = []
        self._mandatory.clear()

    def publish(self, exchange: str, routing_key: str, message: Message, mandatory: bool) -> Future[None]:
        """Send, or hold while the channel is being opened again; raise `BusBlocked` where too many wait already."""
        # One message alone may be of any size: else it could never go.
        if len(self) >= MAX_UNCONFIRMED or (len(self) and self._bytes + len(message.body) > MAX_UNCONFIRMED_BYTES):
            self._counters.refused_full += 1
            raise BusBlocked(f"{len(self)} messages wait for their confirms already; wait for some of them")
        name = None
        if mandatory:
            self._names += 1
            name = str(self._names)
        now = self._loop.time()
        future = self._loop.create_future()
        publication = Publication(future, now + CONFIRM_TIMEOUT, exchange, routing_key, message, name)
        self._send(publication)
        self._counters.published += 1
        self._bytes += len(message.body)
        if name is not None:
            self._mandatory[name] = publication
        if self._timer is None:
            self._timer = self._loop.call_at(publication.deadline, self._expire)
        return future

    def hear(self, event: ChannelEvent) -> None:
        """Take what the broker says of our messages."""
        match event:
            case Confirmed(_, number, multiple, taken):
                publications = self._unconfirmed.confirm(number, multiple=multiple)
                self._counters.late_confirms += not publications and not multiple
                for publication in publications:
                    self._settle(publication, taken)
            case Returned(_, text, name) if name is not None and (returned := self._mandatory.get(name)) is not None:
                where = f"exchange {returned.exchange!r} with routing key {returned.routing_key!r}"
                self._fail(returned, Unroutable(f"no queue took the message for {where}: {text}"))
            case ChannelClosed(_, code, text):
                self._lose_channel(Refusal(code, text))

    def _send(self, publication: Publication) -> None:
        if self._link is None:
            check_strings(publication.exchange, publication.routing_key, publication.message)
            self._held.append(publication)
            return
        frames = publish_frames(
            self._channel,
            publication.exchange,
            publication.routing_key,
            publication.message,
            self._link.frame_max,
            mandatory=publication.name is not None,
            correlation_id=publication.name,
        )
        self._link.write(frames)
        self._unconfirmed.add(publication)

    def _settle(self, publication: Publication, taken: bool) -> None:
        if publication.done:
            return  # returned before it was confirmed
        if not taken:
            self._fail(publication, PublishRefused("the broker refused the message: a queue on its way is full"))
            return
        self._done(publication)
        self._counters.confirmed += 1
        if not publication.future.cancelled():
            publication.future.set_result(None)

    def _fail(self, publication: Publication, error: BusError) -> None:
        if publication.done:
            return
        self._done(publication)
        self._counters.count_failure(error)
        fail(publication.future, error)

    def _done(self, publication: Publication) -> None:
        publication.done = True
        self._bytes -= len(publication.message.body)
        if publication.name is not None:
            self._mandatory.pop(publication.name, None)

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time()
        expired = self._unconfirmed.expire(now)
        expired += [each for each in self._held if each.deadline <= now]
        self._held = [each for each in self._held if each.deadline > now]
        for publication in expired:
            self._fail(publication, ConfirmTimeout(f"the broker did not confirm within {CONFIRM_TIMEOUT:g} s"))
        oldest = self._unconfirmed.first() or next(iter(self._held), None)
        if oldest is not None:
            self._timer = self._loop.call_at(oldest.deadline, self._expire)

    def _lose_channel(self, refusal: Refusal) -> None:
        """Fail the message that the broker will not have, by name; send again what it did not look at any more."""
        self._link = None
        self._counters.channels_lost += 1
        publications = self._unconfirmed.clear()
        guilty = _guilty(refusal, publications)
        for publication in publications[:guilty]:
            unknown = "the broker closed the channel for another message before the confirm came"
            self._fail(publication, ConfirmTimeout(unknown))
        if guilty < len(publications):
            self._fail(publications[guilty], of_message(refusal))
        self._held = publications[guilty + 1 :] + self._held
        self._on_channel_closed(refusal)


def _guilty(refusal: Refusal, publications: list[Publication]) -> int:
    """Return the place of the first message that fits the refusal; behind the last one where none does."""
    exchange, size = culprit(refusal)
    for place, publication in enumerate(publications):
        if exchange is not None and publication.exchange == exchange:
            return place
        if size is not None and len(publication.message.body) == size:
            return place
    return len(publications)
