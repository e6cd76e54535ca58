"""Whatever clients, routers and time do to a session, in any order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import Raw

from gateway.catchup import Joining
from gateway.counters import Counters
from gateway.effects import Ask, Count, Effect, End, GoLive, Identify, Join, Leave, Replay, Send, TakeEarly
from gateway.flood import FloodLimits
from gateway.session import Session, SessionLimits
from gateway.states import State
from gateway.subscribing import live
from shared import envelopes, frames
from shared.codes import CloseCode, ErrorCode
from shared.envelopes import Encoding, Entry

LIMITS = SessionLimits(
    flood=FloodLimits(rate=5.0, burst=30, tolerance=8),
    max_subscriptions=3,
    max_pending=4,
    request_timeout=4.0,
    connect_timeout=5.0,
    heartbeat=25.0,
    heartbeat_grace=10.0,
)
COUNTERS = set(Counters.__dataclass_fields__)

ids = st.integers(0, 5)
topics = st.sampled_from(["a", "a.b", "a.*", "#", "not a topic", ""])
frame = st.one_of(
    st.builds(frames.Connect, ids, st.sampled_from(["", "token"])),
    st.builds(frames.Subscribe, ids, topics, st.none() | st.just(frames.Since("e", 1))),
    st.builds(frames.Subscribe, ids, topics),
    st.builds(frames.Unsubscribe, ids, topics),
    st.builds(frames.Publish, ids, topics, st.just(Raw(b"1"))),
    st.builds(frames.Refresh, ids, st.just("token")),
    st.builds(frames.Pong),
)
valid = st.sampled_from(["a", "a.b", "a.*", "#"])
codes = st.sampled_from([*(code.value for code in ErrorCode), "unheard_of"])
ENTRY = Entry("a.b", b"1", Encoding.JSON, 0)


def is_open(life: "Life") -> bool:
    return not life.over


def is_waiting(life: "Life") -> bool:
    return bool(life.unanswered)


def was_asked(life: "Life") -> bool:
    return bool(life.requests)


class Life(RuleBasedStateMachine):
    """A session, with a performer that only keeps the books."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.session = Session(
            1, "boot.1", LIMITS, self.now, address="", encoding=Encoding.JSON, first_ping=self.now + 3.0
        )
        self.over = False
        self.unanswered: dict[int, int] = {}
        """The client's number of each request that a router was asked, by ours."""
        self.requests: dict[int, envelopes.AnyRequest] = {}
        self.early = 0
        """Frames that came before the client was let in, and wait for that."""
        self.joining: dict[str, Joining] = {}
        self.live: set[str] = set()

    # What is done to it.

    @initialize(connected=st.booleans())
    def it_may_be_connected_already(self, connected: bool) -> None:
        if connected:
            self.the_client_sends(frames.Connect(0, "token"))
            self.answered(1, self.session.answer(envelopes.Granted(1, 1, b"grant", "ann", 3600, "jti"), self.now))
            assert self.session.state is State.ACTIVE

    @rule(frame=frame)
    def the_client_sends(self, frame: frames.AnyClientFrame) -> None:
        waiting = set(self.unanswered.values())
        effects = self.session.receive(frame, self.now)
        number = None if isinstance(frame, frames.Pong) else frame.id
        may_wait = not isinstance(frame, frames.Connect | frames.Pong) and (
            self.session.state is State.AUTHENTICATING or self.is_refreshing()
        )
        asks = self.note(effects)
        for ask in asks:
            assert number not in waiting, "a number that waits cannot be used again"
            assert (ask.grant is None) == isinstance(frame, frames.Connect)
        if number not in waiting:
            assert not [effect for effect in effects if isinstance(effect, Send) and "choose another id" in str(effect)]
        told = self.perform(effects)
        if may_wait and not effects:
            self.early += 1
        elif not self.over and number is not None:
            assert told + len(asks) == 1, "answered at once, or asked about"

    def is_refreshing(self) -> bool:
        return any(isinstance(self.requests[number], envelopes.RefreshRequest) for number in self.unanswered)

    def note(self, effects: list[Effect]) -> list[Ask]:
        """Note what a router is asked."""
        asks = [
            effect.ask if isinstance(effect, Join) else effect for effect in effects if isinstance(effect, Ask | Join)
        ]
        for ask in asks:
            assert ask.request.id not in self.requests, "our numbers are used once"
            self.requests[ask.request.id] = ask.request
            self.unanswered[ask.request.id] = self.session.pending[ask.request.id].id
        return asks

    @precondition(is_open)
    @rule(request=ids, topic=valid)
    def the_client_subscribes(self, request: int, topic: str) -> None:
        self.the_client_sends(frames.Subscribe(request, topic))

    @precondition(is_open)
    @rule(request=ids, topic=valid)
    def the_client_unsubscribes(self, request: int, topic: str) -> None:
        self.the_client_sends(frames.Unsubscribe(request, topic))

    @precondition(is_waiting)
    @rule(data=st.data())
    def a_router_grants_what_was_asked(self, data: st.DataObject) -> None:
        request = self.requests[data.draw(st.sampled_from(sorted(self.unanswered)))]
        self.answered(request.id, self.session.answer(self.fitting(request, data), self.now))

    @precondition(is_waiting)
    @rule(data=st.data(), code=codes, wait=st.none() | st.floats(0, 9))
    def a_router_refuses_what_was_asked(self, data: st.DataObject, code: str, wait: float | None) -> None:
        number = data.draw(st.sampled_from(sorted(self.unanswered)))
        self.answered(number, self.session.answer(envelopes.Refused(1, number, code, "why", wait), self.now))

    @precondition(was_asked)
    @rule(data=st.data(), kind=st.sampled_from(["fitting", "ending", "odd", "nonsense"]))
    def an_answer_comes_late_or_twice_or_wrong(self, data: st.DataObject, kind: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.requests)))
        reply: envelopes.AnyReply
        match kind:
            case "ending":
                reply = envelopes.Refused(1, number, "forbidden", "why", None, data.draw(st.sampled_from([4101, 4150])))
            case "odd":
                reply = envelopes.Probed(1, number)
            case "nonsense":
                reply = envelopes.Published(1, number + 1000)
            case _:
                reply = self.fitting(self.requests[number], data)
        self.answered(reply.id, self.session.answer(reply, self.now))

    def fitting(self, request: envelopes.AnyRequest, data: st.DataObject) -> envelopes.AnyReply:
        seconds = data.draw(st.sampled_from([0, 20, 3600]))
        match request:
            case envelopes.ConnectRequest():
                return envelopes.Granted(1, request.id, b"grant", "ann", seconds, "jti")
            case envelopes.SubscribeRequest():
                return envelopes.SubscribeAllowed(1, request.id, request.topic)
            case envelopes.RefreshRequest():
                lost = tuple(data.draw(st.lists(topics, max_size=2)))
                return envelopes.Refreshed(1, request.id, b"grant", "ann", seconds, lost, "jti")
        return envelopes.Published(1, request.id)

    @precondition(was_asked)
    @rule(data=st.data())
    def an_answer_is_given_up(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.requests)))
        self.answered(number, self.session.expire(number, self.now))

    @rule(passed=st.sampled_from([0.0, 0.2, 0.5, 1.0, 2.0, 4.0, 9.0, 30.0]))
    def time_passes(self, passed: float) -> None:
        self.now += passed
        connecting = self.session.state is State.AUTHENTICATING
        effects = self.session.tick(self.now)
        if connecting and effects:
            self.answered(next(iter(self.unanswered)), effects)
        else:
            assert self.perform(effects) == 0
        if not self.over:
            assert self.session.deadline > self.now

    @rule(request=st.none() | ids)
    def the_client_sends_nonsense(self, request: int | None) -> None:
        self.perform(self.session.refuse("no frame", request, self.now))

    @rule()
    def the_client_gives_a_sign_of_life(self) -> None:
        self.perform(self.session.hear(self.now))

    @rule()
    def a_message_comes(self) -> None:
        for joining in self.joining.values():
            joining.hold(ENTRY)

    @precondition(is_open)
    @rule()
    def the_connection_is_lost(self) -> None:
        self.end()

    # What it wants done.

    def answered(self, number: int, effects: list[Effect]) -> None:
        was_due = number in self.unanswered
        client_number = self.unanswered.pop(number, None)
        answers = self.perform(effects, client_number)
        if not was_due:
            assert answers == 0
            assert effects in ([], [Count("late_replies")])
        elif not self.over:
            assert answers == 1

    def perform(self, effects: list[Effect], request: int | None = None) -> int:
        """Do what a performer does; return how many frames with a number (or with this one) were sent."""
        answers = 0
        for effect in effects:
            assert not self.over or isinstance(effect, Count), "nothing is done after the end"
            match effect:
                case Send(frame):
                    number = getattr(frame, "id", None)
                    answers += isinstance(number, int) and (request is None or number == request)
                    assert not isinstance(frame, frames.Ping) or self.session.state is State.ACTIVE
                case Join(topic, joining, _):
                    assert topic not in self.joining
                    assert topic not in self.live
                    self.joining[topic] = joining
                case Replay(topic, joining, _):
                    assert self.joining[topic] is joining
                    self.perform(live(self.session.topics, topic, joining))
                case GoLive(topic, joining):
                    assert self.joining.pop(topic) is joining
                    self.live.add(topic)
                case Leave():
                    self.leave(effect)
                case Count(counter):
                    assert counter in COUNTERS
                case Identify(user):
                    assert user == "ann"
                case TakeEarly():
                    self.take_early()
                case End(code, reason):
                    assert code in CloseCode
                    assert reason
                    self.end()
                    return answers
        return answers

    def take_early(self) -> None:
        early, self.early = self.early, 0
        effects = self.session.take_early()
        asks = self.note(effects)
        assert self.perform(effects) + len(asks) == early, "each is answered, or asked about"
        assert all(ask.grant is not None for ask in asks)

    def leave(self, effect: Leave) -> None:
        if effect.joining is None:
            self.live.remove(effect.topic)
        else:
            assert self.joining.pop(effect.topic) is effect.joining

    def end(self) -> None:
        for effect in self.session.end():
            assert isinstance(effect, Leave)
            self.leave(effect)
        self.over = True
        self.early = 0
        self.unanswered.clear()
        assert not self.joining
        assert not self.live

    # What always holds.

    @invariant()
    def the_books_agree_with_the_session(self) -> None:
        held = self.session.topics
        assert {topic for topic, joining in held.items() if joining is None} == self.live
        assert {topic: joining for topic, joining in held.items() if joining is not None} == self.joining
        assert {number: pending.id for number, pending in self.session.pending.items()} == self.unanswered

    @invariant()
    def its_bounds_are_kept(self) -> None:
        assert len(self.session.topics) <= LIMITS.max_subscriptions
        assert len(self.session.pending) <= LIMITS.max_pending
        assert self.early <= LIMITS.max_pending

    @invariant()
    def it_is_over_when_it_was_ended(self) -> None:
        assert (self.session.state is State.ENDED) is self.over


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=400, stateful_step_count=50)
