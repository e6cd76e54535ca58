"""`penstock topology`, without a broker."""

import json

from penstock.cli.exits import Exit
from shared.bus import topology
from tests.support.ports import free_port


def test_everything_that_is_declared_is_shown(penstock):
    code, out, _ = penstock("topology", "show")
    assert code == 0
    for thing in (*topology.common().exchanges, *topology.common().queues):
        assert f"\n{thing.name} " in f"\n{out}"


def test_programs_get_the_arguments_of_queues(penstock):
    shown = json.loads(penstock("topology", "show", "--json")[1])
    assert shown["queues"][1]["arguments"] == topology.common().queues[1].arguments()
    assert len(shown["bindings"]) == len(topology.common().bindings)


def test_without_a_broker_there_is_nothing_to_check(penstock):
    code, _, err = penstock("topology", "check")
    assert (code, "set PENSTOCK_AMQP_URL" in err) == (Exit.USAGE, True)


def test_a_broker_that_is_not_there_is_told_without_its_password(penstock):
    url = f"amqp://user:canary@127.0.0.1:{free_port()}/"
    code, out, err = penstock("topology", "check", "--amqp-url", url)
    assert (code, out) == (Exit.UNREACHABLE, "")
    assert "No RabbitMQ answers at 127.0.0.1" in err
    assert "canary" not in err
