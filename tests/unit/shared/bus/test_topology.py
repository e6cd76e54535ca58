"""What is declared on RabbitMQ, against the table in the design."""

import pytest

from shared.bus import topology
from shared.bus.topology import ExchangeKind, QueueKind
from shared.topics import PARTITIONS, SLOTS

COMMON = topology.common()
GATEWAY = topology.gateway("b00t")
QUEUES = {queue.name: queue for queue in (*COMMON.queues, *GATEWAY.queues, *topology.memory().queues)}


def test_the_exchanges_are_those_of_the_design() -> None:
    assert {exchange.name: exchange.kind.value for exchange in COMMON.exchanges} == {
        "penstock.events": "topic",
        "penstock.partition": "x-modulus-hash",
        "penstock.frames": "direct",
        "penstock.deliver": "direct",
        "penstock.replies": "direct",
        "penstock.control": "fanout",
        "penstock.signals": "topic",
        "penstock.calls": "topic",
        "penstock.dead": "fanout",
    }
    assert GATEWAY.exchanges == ()


@pytest.mark.parametrize("partition", range(16))
def test_a_route_queue_is_declared_with_exactly_these_arguments(partition: int) -> None:
    queue = QUEUES[topology.route_queue(partition)]
    assert queue.name == f"penstock.route.{partition}"
    assert not queue.exclusive
    assert queue.arguments() == {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-max-length": 20_000,
        "x-max-length-bytes": 67_108_864,
        "x-overflow": "reject-publish",
        "x-delivery-limit": 100,
        "x-dead-letter-exchange": "penstock.dead",
        "x-dead-letter-strategy": "at-least-once",
    }


def test_there_is_a_route_queue_for_every_partition_and_one_for_the_dead_and_no_other() -> None:
    assert [queue.name for queue in COMMON.queues] == ["penstock.dead", *(f"penstock.route.{p}" for p in range(16))]
    assert PARTITIONS == 16


def test_the_queue_of_the_dead_is_a_bounded_quorum_queue_that_sends_nothing_on() -> None:
    assert QUEUES["penstock.dead"].arguments() == {
        "x-queue-type": "quorum",
        "x-max-length": topology.DEAD_MESSAGES,
        "x-max-length-bytes": topology.DEAD_BYTES,
        "x-overflow": "reject-publish",
    }


@pytest.mark.parametrize("name", ["penstock.gateway.b00t", "penstock.replies.b00t"])
def test_a_gateways_queues_are_exclusive_classic_and_drop_their_oldest(name: str) -> None:
    queue = QUEUES[name]
    arguments = queue.arguments()
    assert queue.exclusive
    assert arguments.pop("x-max-length") in (topology.GATEWAY_MESSAGES, topology.REPLIES_MESSAGES)
    assert arguments.pop("x-max-length-bytes") in (topology.GATEWAY_BYTES, topology.REPLIES_BYTES)
    if name == "penstock.gateway.b00t":
        assert arguments.pop("x-dead-letter-exchange") == "penstock.replies"
        assert arguments.pop("x-dead-letter-routing-key") == "penstock.dropped.b00t"
    assert arguments == {"x-queue-type": "classic", "x-overflow": "drop-head"}


def test_of_what_a_gateway_was_too_slow_for_one_is_kept_as_a_sign() -> None:
    queue = QUEUES["penstock.dropped.b00t"]
    assert queue.exclusive
    assert (queue.max_messages, queue.overflow) == (1, topology.Overflow.DROP_HEAD)
    assert queue.max_bytes >= topology.GATEWAY_BYTES, "whatever was dropped fits"
    assert queue.dead_letter_exchange is None


def test_whoever_keeps_logs_in_memory_has_a_queue_to_itself_that_holds_next_to_nothing() -> None:
    [queue] = topology.memory().queues
    assert (queue.name, queue.exclusive) == ("penstock.memory", True)
    assert (queue.max_messages, queue.max_bytes) == (1, topology.MEMORY_BYTES)


def test_every_queue_is_bounded_and_says_its_type() -> None:
    """RabbitMQ takes at-least-once dead-lettering only with reject-publish on a quorum queue."""
    for queue in QUEUES.values():
        arguments = queue.arguments()
        assert arguments["x-queue-type"] in ("quorum", "classic")
        assert int(arguments["x-max-length"]) > 0
        assert int(arguments["x-max-length-bytes"]) > 0
        if "x-dead-letter-strategy" in arguments:
            assert (queue.kind, arguments["x-overflow"]) == (QueueKind.QUORUM, "reject-publish")
        assert queue.exclusive is (queue.kind is QueueKind.CLASSIC), "no transient queue that is not exclusive"


def test_events_reach_a_partition_by_their_hash_and_frames_by_its_number() -> None:
    bindings = {(binding.source, binding.destination): binding for binding in COMMON.bindings}
    assert len(bindings) == len(COMMON.bindings) == 2 + 2 * PARTITIONS
    events = bindings["penstock.events", "penstock.partition"]
    assert (events.key, events.to_exchange) == ("#", True)
    for partition in range(PARTITIONS):
        route = f"penstock.route.{partition}"
        assert bindings["penstock.partition", route].key == ""
        assert bindings["penstock.frames", route].key == str(partition)
    spread = [binding.destination for binding in COMMON.bindings if binding.source == "penstock.partition"]
    assert spread == sorted(spread), "else topics move when a broker with Khepri restarts"
    assert bindings["penstock.dead", "penstock.dead"].to_exchange is False


def test_a_gateway_hears_its_own_answers_and_every_order_and_no_slot_yet() -> None:
    assert [(binding.source, binding.destination, binding.key) for binding in GATEWAY.bindings] == [
        ("penstock.replies", "penstock.replies.b00t", "b00t"),
        ("penstock.replies", "penstock.dropped.b00t", "penstock.dropped.b00t"),
        ("penstock.control", "penstock.replies.b00t", ""),
    ]


def test_all_that_is_bound_is_declared_before() -> None:
    exchanges = {exchange.name for exchange in COMMON.exchanges}
    for binding in (*COMMON.bindings, *GATEWAY.bindings):
        assert binding.source in exchanges
        assert binding.destination in (exchanges if binding.to_exchange else QUEUES)


def test_an_argument_is_only_there_where_it_is_wanted() -> None:
    plain = topology.Queue("q", QueueKind.CLASSIC, 1, 2, topology.Overflow.DROP_HEAD, dead_letter_exchange="x")
    assert plain.arguments() == {
        "x-queue-type": "classic",
        "x-max-length": 1,
        "x-max-length-bytes": 2,
        "x-overflow": "drop-head",
        "x-dead-letter-exchange": "x",
    }


def test_slots_are_bound_by_their_numbers_in_order() -> None:
    assert topology.slot_keys([10, 9, 255, 0]) == ["0", "9", "10", "255"]
    assert topology.ANY_SLOT not in topology.slot_keys(range(SLOTS))
    assert {exchange.name: exchange.kind for exchange in COMMON.exchanges}[topology.DELIVER] is ExchangeKind.DIRECT
    assert topology.CC_HEADER == "BCC"
