"""Which slots a gateway needs, and when it lets go of one."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.slots import SlotLedger, slot_key
from shared.topics import slot

LINGER = 60.0


@pytest.fixture
def ledger() -> SlotLedger:
    return SlotLedger(LINGER)


def bind(ledger: SlotLedger) -> list[str]:
    keys = ledger.missing()
    ledger.bound.update(keys)
    return keys


def test_a_topic_arrives_by_its_slot_and_a_pattern_by_any() -> None:
    assert slot_key("orders.1") == str(slot("orders.1"))
    assert slot_key("orders.*") == slot_key("#") == "any"


def test_a_slot_is_missing_from_its_first_subscriber_until_it_is_bound(ledger: SlotLedger) -> None:
    ledger.need("7")
    ledger.need("7")
    ledger.need("9")
    assert bind(ledger) == ["7", "9"]
    assert bind(ledger) == []


def test_a_slot_stays_bound_for_a_while_after_its_last_subscriber(ledger: SlotLedger) -> None:
    ledger.need("7")
    ledger.need("7")
    bind(ledger)
    ledger.release("7", 100.0)
    assert ledger.expired(1000.0) == [], "one needs it still"
    ledger.release("7", 200.0)
    assert ledger.expired(200.0 + LINGER - 0.1) == []
    assert ledger.expired(200.0 + LINGER) == ["7"]


def test_a_subscriber_that_comes_back_in_time_moves_no_binding(ledger: SlotLedger) -> None:
    ledger.need("7")
    bind(ledger)
    ledger.release("7", 0.0)
    ledger.need("7")
    assert ledger.missing() == []
    assert ledger.expired(1000.0) == []
    ledger.release("7", 50.0)
    assert ledger.expired(100.0) == [], "the time begins anew"


def test_a_slot_that_was_forgotten_is_missing_when_it_is_needed_again(ledger: SlotLedger) -> None:
    ledger.need("7")
    bind(ledger)
    ledger.release("7", 0.0)
    ledger.forget(ledger.expired(LINGER))
    assert (ledger.bound, ledger.expired(1000.0)) == (set(), [])
    ledger.need("7")
    assert ledger.missing() == ["7"]


def test_a_slot_that_nobody_needs_any_more_when_it_is_bound_lingers_too(ledger: SlotLedger) -> None:
    ledger.need("7")
    keys = ledger.missing()
    ledger.release("7", 10.0)
    ledger.bound.update(keys)
    assert ledger.expired(10.0 + LINGER) == ["7"]


class Ledger(RuleBasedStateMachine):
    """Clients come and go, time passes: what is needed is never let go of, and what is not is in the end."""

    keys = st.sampled_from(["1", "2", "any"])

    def __init__(self) -> None:
        super().__init__()
        self.ledger = SlotLedger(LINGER)
        self.users: dict[str, int] = {}
        self.now = 0.0

    @rule(key=keys)
    def need(self, key: str) -> None:
        self.ledger.need(key)
        self.users[key] = self.users.get(key, 0) + 1

    @rule(key=keys)
    def release(self, key: str) -> None:
        if self.users.get(key):
            self.ledger.release(key, self.now)
            self.users[key] -= 1

    @rule()
    def bind(self) -> None:
        bind(self.ledger)

    @rule(passed=st.sampled_from([1.0, 30.0, 60.0]))
    def wait(self, passed: float) -> None:
        self.now += passed
        self.ledger.forget(self.ledger.expired(self.now))

    @invariant()
    def what_is_needed_is_bound_or_missing(self) -> None:
        needed = {key for key, users in self.users.items() if users}
        assert needed - self.ledger.bound == set(self.ledger.missing())
        assert not needed & set(self.ledger.expired(self.now + 1e9))

    def teardown(self) -> None:
        for key, users in self.users.items():
            for _ in range(users):
                self.ledger.release(key, self.now)
        self.ledger.forget(self.ledger.expired(self.now + LINGER))
        assert self.ledger.bound == set()


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=50)
