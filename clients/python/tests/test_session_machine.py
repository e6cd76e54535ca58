"""Whatever happens between a session and a gateway with logs, iterators get each (epoch, offset) once, in order, and
every hole is a `Gap`; every publish is answered once and has one effect."""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock_client import Gap, Position, Settings, errors
from penstock_client.effects import Close, Deliver, Fail, Reconnect, Resolve, Send, Subscribed
from penstock_client.patterns import is_wild, matches
from penstock_client.session import Session

TOPICS = ["a.1", "a.2", "b"]
PATTERNS = [*TOPICS, "a.*", "#"]
KEPT = 4
"""Messages that a log keeps, so that it is trimmed often."""


def describes(pattern, topic):
    return matches(tuple(pattern.split(".")), tuple(topic.split(".")))


@dataclass
class Log:
    """A topic's log."""

    epoch: str
    entries: list = field(default_factory=list)

    @property
    def head(self):
        return len(self.entries)

    @property
    def first(self):
        return max(1, self.head - KEPT + 1)

    def after(self, offset):
        return [entry for entry in self.entries if entry["offset"] > max(offset, self.first - 1)]


class Gateway:
    """One gateway with its store, as docs/protocol.md describes it; connections come and go."""

    def __init__(self):
        self.logs = {topic: Log("e0") for topic in TOPICS}
        self.keys = {}
        self.arrived = {topic: [] for topic in TOPICS}
        self.at = 1000
        self.now = 0.0
        self.refusing = 0
        self.hang_up()

    def hang_up(self):
        self.up, self.down, self.subscribed, self.told = deque(), deque(), set(), {}

    def say(self, kind, **fields):
        self.down.append({"type": kind, **fields})

    def hears(self, topic):
        return any(describes(pattern, topic) for pattern in self.subscribed)

    def send(self, topic, entry, epoch):
        news = {} if self.told.get(topic) == epoch else {"epoch": epoch}
        self.told[topic] = epoch
        self.say("message", topic=topic, **entry, **news)

    def append(self, topic, *, lose=False):
        log = self.logs[topic]
        self.at += 1
        offset = log.head + 1
        log.entries.append({"offset": offset, "at": self.at, "data": f"{log.epoch}:{offset}"})
        if self.hears(topic) and not lose:
            self.send(topic, log.entries[-1], log.epoch)
        return {"epoch": log.epoch, "offset": offset}

    def take(self, frame):
        number, topic = frame.get("id"), frame.get("topic")
        if frame["type"] == "connect":
            self.say("connected", id=number, session="s", user="u", heartbeat=25, expires_in=3600)
        elif frame["type"] == "unsubscribe":
            self.subscribed.discard(topic)
            self.say("ok", id=number)
        elif frame["type"] != "pong" and self.refusing:
            self.refusing -= 1
            self.say("error", id=number, code="unavailable", reason="busy", retry_after=1)
        elif frame["type"] == "subscribe":
            self.subscribe(number, topic, frame.get("from"), frame.get("tail", 0))
        elif frame["type"] == "history":
            log = self.logs[topic]
            after = frame.get("after")
            found = log.after(0)[-frame["limit"] :] if after is None else log.after(after)[: min(2, frame["limit"])]
            messages = [{"type": "message", "topic": topic, **entry} for entry in found]
            self.say("result", id=number, topic=topic, messages=messages, epoch=log.epoch, offset=log.head)
        elif frame["type"] == "publish":
            self.publish(number, topic, frame["key"])

    def publish(self, number, topic, key):
        if key not in self.keys:
            self.arrived[topic].append(key)
            self.keys[key] = (self.now, self.append(topic))
        when, place = self.keys[key]
        assert self.now < when + 300, "repeated when its key was forgotten"
        self.say("ok", id=number, **place)

    def subscribe(self, number, pattern, since, tail):
        assert pattern not in self.subscribed, "subscribed twice on one connection"
        gaps, replays = [], []
        topics = [topic for topic in TOPICS if describes(pattern, topic)]
        for topic in topics if since else []:
            self.recover(topic, since if not is_wild(pattern) else self.known(since, topic), gaps, replays)
        place = {}
        if not is_wild(pattern):
            log = self.logs[pattern]
            start = since["offset"] if since else max(log.head - tail, log.first - 1)
            place = {"epoch": log.epoch, "offset": start}
            if not since:
                replays += [(pattern, entry) for entry in log.after(start)]
        if since:
            place["recovered"] = not gaps
        self.say("subscribed", id=number, topic=pattern, **place)
        for gap in gaps:
            self.say("gap", **gap)
        for topic, entry in replays:
            self.send(topic, entry, self.logs[topic].epoch)
        self.subscribed.add(pattern)

    def known(self, since, topic):
        """Where a pattern stands in a topic: as it says itself, or before the first that is newer than it."""
        log = self.logs[topic]
        older = [entry["offset"] for entry in log.entries if entry["at"] < since["at"]]
        return since["topics"].get(topic) or {"epoch": log.epoch, "offset": max(older, default=0)}

    def recover(self, topic, place, gaps, replays):
        log = self.logs[topic]
        gap = {"topic": topic, "epoch": log.epoch}
        if place["epoch"] != log.epoch:
            gaps.append({**gap, "offset": log.head + 1, "cause": "epoch_changed"})
            return
        if place["offset"] + 1 < log.first:
            gaps.append({**gap, "offset": log.first, "cause": "trimmed"})
        replays += [(topic, entry) for entry in log.after(place["offset"])]


class Reader:
    """One iterator, and what must be true of what it gets."""

    def __init__(self, pattern, since):
        self.pattern = pattern
        self.since = since
        self.places = {} if since is None else {pattern: (since.epoch, since.offset)}
        self.floors = {}
        """The heads when it was served: what is newer must come."""
        self.seen = set()
        self.served = False
        self.gaps = 0

    def serve(self, start, logs):
        if not self.served:
            self.floors = {topic: (log.epoch, log.head) for topic, log in logs.items()}
            if start is not None and self.pattern not in self.places:
                self.places[self.pattern] = (start.epoch, start.offset)
        self.served = True

    def get(self, item):
        if isinstance(item, Gap):
            self.gap(item)
            return
        place = (item.epoch, item.offset)
        assert item.data == f"{item.epoch}:{item.offset}"
        assert describes(self.pattern, item.topic)
        assert (item.topic, place) not in self.seen, "twice"
        self.seen.add((item.topic, place))
        last = self.places.get(item.topic)
        if last is not None:
            assert place == (last[0], last[1] + 1), f"a silent hole between {last} and {place}"
        elif item.topic in self.floors and self.floors[item.topic][0] == item.epoch:
            assert item.offset <= self.floors[item.topic][1] + 1, "a silent hole before the first"
        self.places[item.topic] = place

    def gap(self, gap):
        self.gaps += 1
        if gap.offset is None:
            assert gap.cause == "reconnected"
            self.places.clear()
            self.floors.clear()
            return
        last = self.places.get(gap.topic)
        assert last is None or last[0] != gap.epoch or last[1] < gap.offset - 1, "a gap where nothing is missing"
        self.places[gap.topic] = (gap.epoch, gap.offset - 1)


class Machine(RuleBasedStateMachine):
    """Anything may happen next."""

    def __init__(self):
        super().__init__()
        self.session = Session(Settings(), token="t")
        self.gateway = Gateway()
        self.now = 1000.0
        self.readers = {}
        self.count = 0
        self.published = {topic: [] for topic in TOPICS}
        self.answered = []
        self.overtaken = False
        self.pause = 0.0
        self.connected = False
        self.epochs = 0
        self.come_back()

    def do(self, effects):
        for effect in effects:
            match effect:
                case Send(frame):
                    self.gateway.up.append(frame)
                case Deliver(subscriber, item):
                    self.readers[subscriber].get(item)
                case Subscribed(subscriber, start):
                    self.readers[subscriber].serve(start, self.gateway.logs)
                case Resolve(request):
                    self.answered.append(request)
                case Fail(request, error):
                    assert isinstance(error, errors.OutcomeUnknown)
                    self.answered.append(request)
                case Reconnect(after):
                    self.pause = after
                case Close():
                    raise AssertionError(f"left: {effect}")

    def matching(self, topic):
        return [reader for reader in self.readers.values() if describes(reader.pattern, topic)]

    # What the user does.

    @precondition(lambda self: len(self.readers) < 5)
    @rule(pattern=st.sampled_from(PATTERNS), how=st.sampled_from(["live", "tail", "since"]), tail=st.integers(0, 6))
    def subscribe(self, pattern, how, tail):
        self.count += 1
        options = {}
        if not is_wild(pattern) and how == "tail":
            options["tail"] = tail
        places = [reader.places[pattern] for reader in self.matching(pattern) if pattern in reader.places]
        if not is_wild(pattern) and how == "since" and places:
            options["since"] = Position(*places[0])
        self.readers[self.count] = Reader(pattern, options.get("since"))
        self.do(self.session.subscribe(self.count, pattern, self.now, **options))

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def unsubscribe(self, data):
        number = data.draw(st.sampled_from(sorted(self.readers)))
        self.do(self.session.unsubscribe(number))
        del self.readers[number]

    @rule(topic=st.sampled_from(TOPICS))
    def publish(self, topic):
        self.count += 1
        self.published[topic].append(f"k{self.count}")
        self.do(self.session.publish(self.count, topic, None, f"k{self.count}", self.now, 10_000.0))

    # What happens behind the gateway.

    @rule(topic=st.sampled_from(TOPICS), many=st.integers(1, 6))
    def append(self, topic, many):
        for _ in range(many):
            self.gateway.append(topic)

    @rule(topic=st.sampled_from(TOPICS))
    def lose_one_on_the_way(self, topic):
        # Nobody can miss what comes first on a topic that he knows nothing of.
        if all(topic in reader.places for reader in self.matching(topic)):
            self.gateway.append(topic, lose=True)

    @precondition(lambda self: self.connected)
    @rule(topic=st.sampled_from(TOPICS))
    def double(self, topic):
        log = self.gateway.logs[topic]
        if self.gateway.hears(topic) and self.gateway.told.get(topic) == log.epoch:
            for entry in log.after(0)[-2:]:
                self.gateway.send(topic, entry, log.epoch)

    @rule(topic=st.sampled_from(TOPICS), announced=st.booleans())
    def lose_the_log(self, topic, announced):
        self.epochs += 1
        self.gateway.logs[topic] = log = Log(f"e{self.epochs}")
        if announced and self.gateway.hears(topic):
            self.gateway.say("gap", topic=topic, epoch=log.epoch, offset=1, cause="epoch_changed")

    @rule()
    def refuse_the_next(self):
        self.gateway.refusing, self.overtaken = 1, True

    # How it moves.

    @precondition(lambda self: self.gateway.up)
    @rule(many=st.integers(1, 5))
    def go_up(self, many):
        for _ in range(min(many, len(self.gateway.up))):
            self.gateway.take(self.gateway.up.popleft())

    @precondition(lambda self: self.gateway.down)
    @rule(many=st.integers(1, 9))
    def go_down(self, many):
        for _ in range(min(many, len(self.gateway.down))):
            self.do(self.session.receive(self.gateway.down.popleft(), self.now))

    @precondition(lambda self: self.connected)
    @rule()
    def break_off(self):
        self.connected = False
        self.gateway.hang_up()
        self.do(self.session.lost(None, self.now, 0.5))

    @precondition(lambda self: not self.connected)
    @rule()
    def come_back(self):
        self.connected = True
        self.pass_time(self.pause)
        self.do(self.session.connecting(self.now))
        self.do(self.session.connected(self.now))

    @rule(seconds=st.sampled_from([1.0, 61.0]))
    def wait(self, seconds):
        self.settle()
        while seconds > 0:
            self.pass_time(min(20.0, seconds))
            seconds -= 20.0
            if self.connected:
                self.gateway.say("ping")
            self.settle()

    def pass_time(self, seconds):
        self.now += seconds
        self.gateway.now = self.now
        self.do(self.session.tick(self.now))

    def settle(self):
        while self.gateway.up or self.gateway.down:
            self.go_up(5)
            self.go_down(9)

    @invariant()
    def publishes_keep_their_order_on_each_topic(self):
        for topic, keys in self.gateway.arrived.items():
            if not self.overtaken:
                assert keys == [key for key in self.published[topic] if key in keys]

    @invariant()
    def no_request_is_answered_twice(self):
        assert len(set(self.answered)) == len(self.answered)

    def teardown(self):
        """Let everything come to rest: then all is answered, and everybody is where the logs are."""
        if not self.connected:
            self.come_back()
        for _ in range(100):
            self.wait(1.0)
            answered = len(self.answered) == sum(map(len, self.published.values()))
            if answered and all(reader.served for reader in self.readers.values()):
                break
        for topic in TOPICS:
            self.gateway.append(topic)
        for _ in range(3):
            self.wait(1.0)
        assert answered
        for reader in self.readers.values():
            assert reader.served
            for topic, log in self.gateway.logs.items():
                if describes(reader.pattern, topic):
                    assert reader.places[topic] == (log.epoch, log.head)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
