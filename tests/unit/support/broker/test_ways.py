"""Which way to a broker is taken, and what is said when there is none."""

from pathlib import Path

import pytest

from tests.support.broker import ways
from tests.support.broker.broker import version_of
from tests.support.broker.errors import BrokerError, NoWay
from tests.support.broker.lending import borrow, broker_lender, broker_of
from tests.support.broker.node import Node
from tests.support.broker.ways import given, new_node
from tests.support.install import no_services_started


def no_docker() -> Node:
    raise NoWay("no Docker engine answers")


def no_server() -> Node:
    raise NoWay("no rabbitmq-server\non PATH")


def failing_start() -> Node:
    raise BrokerError("it would not start")


def test_docker_comes_first_then_the_machines_own_then_an_installed_one() -> None:
    assert ways.ways({}) == [ways.container, ways.local, ways.installed]


@pytest.mark.parametrize(
    ("forced", "left"), [("docker", [ways.container]), ("local", [ways.local, ways.installed])]
)
def test_one_kind_can_be_forced(forced: str, left: list[ways.Way]) -> None:
    assert ways.ways({"PENSTOCK_TEST_BROKER": forced}) == left


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(BrokerError, match="PENSTOCK_TEST_BROKER is 'podman'"):
        ways.ways({"PENSTOCK_TEST_BROKER": "podman"})


def test_without_any_way_one_line_tells_what_to_do_and_why_each_failed() -> None:
    with pytest.raises(BrokerError) as none:
        new_node(tried=[no_docker, no_server])
    line = str(none.value)
    assert line.startswith("These tests need a real RabbitMQ. Start Docker, or install rabbitmq-server")
    assert line.endswith("(no Docker engine answers; no rabbitmq-server on PATH)")
    assert "\n" not in line


def test_a_given_broker_is_taken_with_its_usual_management_port() -> None:
    assert given({}) is None
    assert given({"PENSTOCK_TEST_AMQP_URL": "amqp://me:secret@broker:5673/"}) == (
        "amqp://me:secret@broker:5673/",
        "http://me:secret@broker:15672",
    )
    assert given({"PENSTOCK_TEST_AMQP_URL": "amqps://[::1]"}) == ("amqps://[::1]", "https://guest:guest@[::1]:15671")


def test_a_given_management_url_is_taken_as_it_is() -> None:
    environment = {"PENSTOCK_TEST_AMQP_URL": "amqp://broker", "PENSTOCK_TEST_MANAGEMENT_URL": "http://a:b@c:1"}
    assert given(environment) == ("amqp://broker", "http://a:b@c:1")


@pytest.mark.parametrize(
    ("text", "version"), [("3.10.8", (3, 10, 8)), ("4.1.0-rc.2", (4, 1, 0)), ("4.0.5+1.g12", (4, 0, 5))]
)
def test_versions_compare_as_numbers(text: str, version: tuple[int, ...]) -> None:
    assert version_of(text) == version


def test_a_broker_that_cannot_start_is_tried_once_and_refused_to_every_borrower(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PENSTOCK_TEST_AMQP_URL", raising=False)
    starts = []

    def start() -> Node:
        starts.append("once")
        return failing_start()

    lender = broker_lender(start)
    where = lender.listen()
    try:
        for _ in range(3):
            with pytest.raises(BrokerError, match="it would not start"):
                broker_of(borrow(where))
    finally:
        lender.close()
    assert starts == ["once"]


def test_no_service_is_started_during_the_installation(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with no_services_started(policy):
        assert policy.read_text() == "#!/bin/sh\nexit 101\n"
        assert policy.stat().st_mode & 0o111
    assert not policy.exists()


def test_a_policy_of_the_machines_own_stays(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("the machine's own")
    with no_services_started(policy):
        pass
    assert policy.read_text() == "the machine's own"
