"""All windows of a gateway within one bound."""

from __future__ import annotations

import pytest

from gateway.codecs import DIALECTS
from gateway.counters import Counters
from gateway.fanout import Fanout
from gateway.logs import Logs
from gateway.window import Window
from gateway.windows import KEPT, OVERHEAD, Windows
from shared.envelopes import Encoding, Entry

NOW = 1000.0
EACH = 10 + OVERHEAD


class House:
    """Some topics, and room for the windows of two with ten messages of ten bytes each."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.logs = Logs(Fanout(DIALECTS, self.counters, max_interval=0.0), self.counters)
        self.windows = Windows(self.logs, self.counters, 20 * EACH)

    def read(self, topic: str, now: float) -> None:
        log = self.logs.of(topic) or self.logs.begin(topic, "e", 10, now)
        log.window = Window(0)
        log.window.extend(entry(topic, offset) for offset in range(1, 11))
        self.windows.add(topic, now)

    def have(self) -> list[str]:
        return [topic for topic in self.logs.topics() if (log := self.logs.of(topic)) is not None and log.window]


def entry(topic: str, offset: int) -> Entry:
    return Entry(topic, b"x" * 10, Encoding.JSON, 0, epoch="e", offset=offset)


@pytest.fixture
async def house() -> House:
    return House()


async def test_where_there_is_no_room_the_window_goes_that_was_not_used_for_longest(house: House) -> None:
    for number, topic in enumerate("ab"):
        house.read(topic, NOW + number)
    assert (house.counters.window_bytes, house.have()) == (20 * EACH, ["a", "b"])
    house.windows.use("a", NOW + 2)
    house.read("c", NOW + 3)
    assert house.have() == ["a", "c"]
    assert (house.counters.window_bytes, house.counters.windows_given_up) == (20 * EACH, 1)


async def test_what_comes_live_is_measured_with_the_next_look_and_others_make_room_for_it(house: House) -> None:
    for number, topic in enumerate("ab"):
        house.read(topic, NOW + number)
    log = house.logs.of("b")
    assert log is not None
    log.move(entry("b", 11))
    assert house.counters.window_bytes == 20 * EACH
    house.windows.look(NOW + 2)
    assert (house.have(), house.counters.window_bytes) == (["b"], 11 * EACH)


async def test_a_window_goes_when_it_has_not_been_needed_for_a_while(house: House) -> None:
    house.read("a", NOW)
    house.read("b", NOW + 5)
    house.windows.look(NOW + KEPT)
    assert (house.have(), house.counters.window_bytes) == (["b"], 10 * EACH)
    assert house.counters.windows_given_up == 0


async def test_what_is_forgotten_with_its_log_has_no_weight_any_more(house: House) -> None:
    house.read("a", NOW)
    house.logs.forget("a")
    house.windows.look(NOW + 1)
    assert house.counters.window_bytes == 0
    house.windows.forget("a")
    house.windows.forget("never heard of")
    assert house.counters.window_bytes == 0
