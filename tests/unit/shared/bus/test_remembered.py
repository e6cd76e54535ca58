"""What a bus remembers."""

from shared.bus.remembered import Remembered, bindings
from shared.bus.topology import Binding, Exchange, ExchangeKind, Topology
from tests.contract.bus.shapes import only, plain

X = Exchange("x", ExchangeKind.DIRECT)


def test_each_thing_is_remembered_once_in_the_order_in_which_it_was_asked_for():
    remembered = Remembered()
    remembered.keep(only(plain("a"), plain("b")))
    remembered.keep(Topology((X,), (plain("a"),), (Binding("x", "a", "k"),)))
    remembered.keep(bindings("a", "x", ["k", "l"]))
    assert remembered.topology == Topology(
        (X,), (plain("a"), plain("b")), (Binding("x", "a", "k"), Binding("x", "a", "l"))
    )


def test_a_newer_shape_takes_the_place_of_the_older():
    remembered = Remembered()
    remembered.keep(only(plain("a")))
    remembered.keep(only(plain("a", max_messages=5)))
    assert remembered.topology.queues == (plain("a", max_messages=5),)


def test_what_is_dropped_is_forgotten_and_dropping_what_is_unknown_changes_nothing():
    remembered = Remembered()
    remembered.keep(bindings("a", "x", ["k", "l"]))
    remembered.drop(bindings("a", "x", ["k", "unknown"]))
    assert remembered.topology.bindings == (Binding("x", "a", "l"),)
