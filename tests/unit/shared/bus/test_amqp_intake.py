"""How often an intake had to begin again."""

from shared.bus.amqp_intake import MENDING_MEMORY, AmqpIntake
from shared.bus.counters import BusCounters


def test_attempts_in_a_row_are_counted_and_a_sound_time_ends_the_row():
    intake = AmqpIntake((), lambda received: None, 1, BusCounters(), lambda intake, cause: None, lambda intake: None)
    assert [intake.count_mending(1000.0 + pause) for pause in (0, 1, 3, 8)] == [1, 2, 3, 4]
    assert intake.count_mending(1008.0 + MENDING_MEMORY) == 1
