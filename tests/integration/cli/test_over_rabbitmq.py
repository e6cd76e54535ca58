"""The command line against a real RabbitMQ."""

import json
import signal

import pytest

from penstock.cli.exits import Exit
from shared.bus import topology
from tests.support.eventually import wait_until
from tests.support.ports import free_port


def test_topology_is_applied_checked_and_what_differs_is_told(penstock, vhost):
    code, out, _ = penstock.run("topology", "check", "--amqp-url", vhost.amqp_url)
    assert code == Exit.CONFIGURATION
    assert "missing: exchange penstock.events" in out
    assert vhost.exchanges() == [], "a check changes nothing"

    code, out, _ = penstock.run("topology", "apply", "--amqp-url", vhost.amqp_url)
    assert (code, "9 exchanges, 17 queues" in out) == (Exit.OK, True)
    assert {row["name"] for row in vhost.exchanges()} == {it.name for it in topology.common().exchanges}

    code, out, _ = penstock.run("topology", "check", "--amqp-url", vhost.amqp_url)
    assert (code, "in its right shape" in out) == (Exit.OK, True)


def test_a_queue_in_another_shape_is_found_and_left(penstock, vhost):
    vhost._management.put("queues", vhost.name, topology.DEAD, durable=True, arguments={"x-queue-type": "classic"})
    code, out, _ = penstock.run("topology", "check", "--amqp-url", vhost.amqp_url, "--json")
    assert code == Exit.CONFIGURATION
    different = [row["name"] for row in json.loads(out)["differences"] if row["found"] == "different"]
    assert different == [topology.DEAD]
    code, _, err = penstock.run("topology", "apply", "--amqp-url", vhost.amqp_url)
    assert (code, "another shape" in err, "Traceback" in err) == (Exit.CONFIGURATION, True, False)


def test_an_event_emitted_over_amqp_is_heard_over_amqp(penstock, vhost):
    penstock.run("topology", "apply", "--amqp-url", vhost.amqp_url)
    listening = penstock.start("listen", "orders.*", "--json", "--count", "1", PENSTOCK_AMQP_URL=vhost.amqp_url)
    listening.says("listening at", on="err")
    for topic in ("other.1", "orders.42"):
        code, out, err = penstock.run("emit", topic, '{"total": 12}', "--key", "k", PENSTOCK_AMQP_URL=vhost.amqp_url)
        assert (code, err) == (Exit.OK, "")
        assert out.startswith(f"published to {topic}, confirmed by the broker at ")
        assert vhost.amqp_url.split("@")[0].split(":")[-1] not in out.removeprefix("published"), "no password"
    assert listening.ends() == Exit.OK
    (line,) = listening.out.splitlines()
    heard = json.loads(line)
    assert (heard["topic"], heard["data"], heard["key"]) == ("orders.42", {"total": 12}, "k")
    wait_until(lambda: not [row for row in vhost.queues() if row["name"].startswith("penstock.listen.")])


def test_a_listener_that_is_told_to_end_says_nothing_of_the_broker(penstock, vhost):
    listening = penstock.start("listen", "#", "--amqp-url", vhost.amqp_url)
    listening.says("listening at", on="err")
    listening.tell(signal.SIGINT)
    assert listening.ends() == Exit.OK
    (line,) = listening.err.splitlines()
    assert "listening at" in line


def test_an_event_where_nothing_is_declared_is_refused_with_what_to_do(penstock, vhost):
    code, out, err = penstock.run("emit", "orders.42", "1", "--amqp-url", vhost.amqp_url)
    assert (code, out) == (Exit.REFUSED, "")
    assert "penstock topology apply" in err
    assert "Traceback" not in err


def test_the_doctor_finds_a_healthy_broker_healthy(penstock, vhost, broker):
    code, out, err = penstock.run("doctor", "--json", PENSTOCK_AMQP_URL=vhost.amqp_url, PENSTOCK_PORT=str(free_port()))
    verdicts = {verdict["subject"]: verdict for verdict in map(json.loads, out.splitlines())}
    assert (code, err) == (Exit.OK, "")
    assert ".".join(map(str, broker.version[:2])) in verdicts["broker"]["found"]
    assert verdicts["plugin"]["level"] == verdicts["alarm"]["level"] == verdicts["topology"]["level"] == "ok"
    assert vhost.exchanges() == [], "a doctor changes nothing"


def test_the_doctor_names_what_is_in_another_shape(penstock, vhost):
    vhost._management.put("exchanges", vhost.name, topology.EVENTS, type="fanout", durable=True)
    code, out, _ = penstock.run("doctor", "--amqp-url", vhost.amqp_url, PENSTOCK_PORT=str(free_port()))
    assert code == Exit.FAILED
    assert "fail  topology: in another shape than ours: penstock.events" in out


def test_a_wrong_password_is_one_sentence_without_it(penstock, vhost):
    scheme, _, rest = vhost.amqp_url.partition("://")
    url = f"{scheme}://nobody:canary@{rest.rpartition('@')[2]}"
    code, out, err = penstock.run("emit", "orders.42", "1", "--amqp-url", url)
    assert (code, out) == (Exit.CONFIGURATION, "")
    assert "refused user 'nobody'" in err
    assert "canary" not in err


@pytest.mark.parametrize("program", ["router", "worker"])
def test_a_program_of_its_own_tells_how_it_is_and_stops_when_it_is_told(penstock, vhost, store_url, program):
    port = free_port()
    process = penstock.start(
        program,
        PENSTOCK_AMQP_URL=vhost.amqp_url,
        PENSTOCK_STORE_URL=store_url,
        PENSTOCK_METRICS_PORT=str(port),
        PENSTOCK_AUTH__SECRET="s" * 32,
        PENSTOCK_ENVIRONMENT="production",
    )
    assert json.loads(process.answers(port, "/readyz"))["status"] == "ready"
    metrics = process.answers(port, "/metrics")
    assert f"# TYPE penstock_{program}_" in metrics
    assert f'penstock_bus_connections_lost_total{{bus="{program}"}} 0' in metrics
    assert ('penstock_store_calls_total{kind="recent"} 1' in metrics) == (program == "router")
    assert "process_resident_memory_bytes" in metrics
    process.tell()
    assert process.ends() == Exit.OK
    lines = {line.get("event", line["message"]): line for line in map(json.loads, process.err.splitlines())}
    assert {line["level"] for line in lines.values()} == {"info"}
    assert lines["metrics.started"]["port"] == port
    assert {f"{program}.started", f"{program}.stopped"} <= set(lines)


@pytest.mark.parametrize("program", ["router", "worker"])
def test_a_program_that_waits_for_its_broker_stops_when_it_is_told(penstock, store_url, program):
    process = penstock.start(
        program,
        PENSTOCK_AMQP_URL=f"amqp://127.0.0.1:{free_port()}",
        PENSTOCK_STORE_URL=store_url,
        PENSTOCK_AUTH__SECRET="s" * 32,
    )
    process.says("nobody listens at", on="err")
    process.tell(signal.SIGINT)
    assert process.ends() == Exit.OK
    assert "Traceback" not in process.err


def test_the_doctor_and_the_check_see_an_alarm_and_a_missing_plugin(penstock, own_broker):
    own_broker.block()
    code, out, _ = penstock.run("doctor", "--amqp-url", own_broker.amqp_url, PENSTOCK_PORT=str(free_port()))
    assert (code, "fail  alarm: the broker takes no messages" in out) == (Exit.FAILED, True)

    own_broker.unblock()
    own_broker.ctl("eval", 'rabbit_registry:unregister(exchange, <<"x-modulus-hash">>).')
    code, out, _ = penstock.run("doctor", "--amqp-url", own_broker.amqp_url, PENSTOCK_PORT=str(free_port()))
    assert (code, "rabbitmq-plugins enable rabbitmq_sharding" in out) == (Exit.FAILED, True)
    code, out, _ = penstock.run("topology", "check", "--amqp-url", own_broker.amqp_url)
    assert (code, "missing: plugin rabbitmq_sharding" in out) == (Exit.CONFIGURATION, True)
    assert "on every node: rabbitmq-plugins enable rabbitmq_sharding" in out
    assert out.splitlines()[-1].startswith("Enable the plugin first; then")
    code, _, err = penstock.run("worker", "--amqp-url", own_broker.amqp_url)
    assert code == Exit.CONFIGURATION
    assert "rabbitmq-plugins enable rabbitmq_sharding" in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1, "it is not ready first, and away then"
