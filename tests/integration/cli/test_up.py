"""`penstock up` as a newcomer meets it, and `emit` and `listen` beside it."""

import json
import signal
import socket
import stat
from urllib.parse import urlsplit

import pytest

from penstock.cli.exits import Exit
from tests.support.eventually import wait_until
from tests.support.ports import free_port


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def up(penstock, port):
    process = penstock.start("up", "--port", str(port))
    process.says("Ctrl-C stops it.")
    return process


def test_the_first_screen_works_when_it_is_pasted(penstock, up, port):
    lines = [line.strip() for line in up.out.splitlines()]
    assert lines[0].endswith(f"listens on http://127.0.0.1:{port}")
    assert any(line.endswith(f"-m penstock listen --port {port} 'orders.*'") for line in lines)

    listening = penstock.start("listen", "--port", str(port), "orders.*", "--count", "1")
    listening.says("listening as", on="err")
    code, out, err = penstock.run("emit", "--port", str(port), "orders.42", '{"total": 12}')
    assert (code, err) == (Exit.OK, "")
    assert out == f"published to orders.42, confirmed by the broker behind http://127.0.0.1:{port}\n"
    assert listening.ends() == Exit.OK
    assert 'orders.42  {"total": 12}' in listening.out
    assert "\x1b" not in listening.out, "no colours where there is no terminal"


def test_no_options_are_needed_where_the_port_is_the_usual_one(penstock, up, port):
    usual = {"PENSTOCK_PORT": str(port)}
    listening = penstock.start("listen", "#", "--json", "--count", "2", **usual)
    listening.says("listening as", on="err")
    code, out, _ = penstock.run("emit", "a.b", "hello", "--text", "--count", "2", "--every", "0", "--json", **usual)
    assert code == Exit.OK
    assert [json.loads(line)["topic"] for line in out.splitlines()] == ["a.b", "a.b"]
    assert listening.ends() == Exit.OK
    heard = [json.loads(line) for line in listening.out.splitlines()]
    assert [(one["topic"], one["data"]) for one in heard] == [("a.b", "hello"), ("a.b", "hello")]


def test_a_token_of_the_command_line_opens_the_door(penstock, up, port):
    _, token, _ = penstock.run("token", "--sub", "ada", "--subscribe", "orders.#", "--port", str(port))
    listening = penstock.start("listen", "orders.#", "--url", f"http://127.0.0.1:{port}", PENSTOCK_TOKEN=token.strip())
    listening.says("listening as ada", on="err")
    listening.tell(signal.SIGINT)
    assert listening.ends() == Exit.OK


def test_what_the_token_does_not_cover_is_refused_in_one_sentence(penstock, up, port):
    _, token, _ = penstock.run("token", "--subscribe", "orders.#", "--port", str(port))
    code, out, err = penstock.run("listen", "#", "--url", f"http://127.0.0.1:{port}", "--token", token.strip())
    assert (code, out) == (Exit.REFUSED, "")
    assert "The gateway refuses: #: " in err
    assert "Traceback" not in err


def test_a_refusal_names_where_the_token_comes_from(penstock, up, port, tmp_path):
    url = f"http://127.0.0.1:{port}"
    _, token, _ = penstock.run("token", "--subscribe", "orders.#", "--port", str(port))
    _, _, err = penstock.run("listen", "rooms.#", "--url", url, PENSTOCK_TOKEN=token.strip())
    assert "no right to subscribe to rooms.# (forbidden). The token is that of PENSTOCK_TOKEN: " in err
    _, _, err = penstock.run("listen", "rooms.#", "--url", url, "--token", token.strip())
    assert err.strip().endswith("(forbidden).")
    _, _, err = penstock.run("listen", "#", "--url", url, PENSTOCK_AUTH__SECRET="o" * 32)
    assert "The token was signed with the auth.secret that is configured here: " in err
    old = tmp_path / "old"
    old.mkdir(mode=0o700)
    (old / f"up-{port}.json").write_text(json.dumps({"url": url, "secret": "o" * 32}))
    code, _, err = penstock.run("listen", "#", "--port", str(port), PENSTOCK_STATE_DIR=str(old))
    assert code == Exit.REFUSED
    assert "does not hold" in err
    assert "The token was made for the `penstock up` on this machine: give another with --token." in err


def test_a_bad_token_and_a_bad_key_are_refused(penstock, up, port):
    url = f"http://127.0.0.1:{port}"
    code, _, err = penstock.run("listen", "#", "--url", url, "--token", "e.y.J")
    assert (code, "(unauthenticated)" in err) == (Exit.REFUSED, True)
    code, _, err = penstock.run("emit", "a", "1", "--url", url, "--api-key", "wrong")
    assert (code, "refused the API key" in err) == (Exit.REFUSED, True)


def test_health_and_metrics_are_on_the_same_port(up, port):
    assert json.loads(up.answers(port, "/healthz"))["status"] == "alive"
    assert json.loads(up.answers(port, "/readyz"))["status"] == "ready"
    metrics = up.answers(port, "/metrics")
    for name in ("penstock_gateway_connections", "penstock_router_received_total", "penstock_worker_looks_total"):
        assert f"\n{name} " in metrics
    assert 'penstock_bus_published_total{bus="gateway"}' in metrics
    assert "penstock_store_appended_total 0" in metrics
    assert "penstock_build_info{version=" in metrics
    assert 'penstock_log_lines_total{level="info"}' in metrics


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(penstock, up, port, number):
    listening = penstock.start("listen", "#", "--port", str(port))
    listening.says("listening as", on="err")
    up.tell(number)
    assert up.ends() == Exit.OK
    assert "Traceback" not in up.err
    listening.says("connection lost", on="err")
    listening.tell(signal.SIGINT)
    assert listening.ends() == Exit.OK


def test_a_listener_comes_back_when_the_server_does(penstock, up, port):
    listening = penstock.start("listen", "#", "--port", str(port), "--count", "1")
    listening.says("listening as", on="err")
    up.tell()
    up.ends()
    again = penstock.start("up", "--port", str(port))
    again.says("Ctrl-C stops it.")
    wait_until(lambda: listening.err.count("listening as") == 2, 30)
    penstock.run("emit", "a", "1", "--port", str(port))
    assert listening.ends() == Exit.OK


def test_secret_and_key_stay_the_same_over_a_restart_in_a_file_for_its_owner(penstock, up, port):
    path = penstock.folder / "state" / f"up-{port}.json"
    before = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    up.tell()
    up.ends()
    penstock.start("up", "--port", str(port)).says("Ctrl-C stops it.")
    after = json.loads(path.read_text())
    assert (after["secret"], after["api_key"]) == (before["secret"], before["api_key"])


def test_neither_secret_nor_key_nor_token_gets_into_the_log(penstock, up, port):
    penstock.run("emit", "a", "1", "--port", str(port))
    penstock.run("listen", "#", "--url", f"http://127.0.0.1:{port}", "--token", "e.y.J")
    up.tell()
    up.ends()
    door = json.loads((penstock.folder / "state" / f"up-{port}.json").read_text())
    for secret in (door["secret"], door["api_key"], door["token"], "e.y.J"):
        assert secret not in up.err
    assert door["secret"] not in up.out


def test_a_taken_port_is_one_line_with_what_to_do(penstock, port):
    with socket.create_server(("127.0.0.1", port)):
        code, out, err = penstock.run("up", "--port", str(port))
    assert (code, out) == (Exit.CONFIGURATION, "")
    (line,) = [line for line in err.splitlines() if line.startswith("penstock: ")]
    assert str(port) in line
    assert "--port" in line or "PENSTOCK_PORT" in line
    assert err.splitlines() == [line], "nothing was begun"


def test_the_first_screen_says_where_the_store_is(penstock, store_url, port):
    process = penstock.start("up", "--port", str(port), "--store-url", store_url)
    process.says("Ctrl-C stops it.")
    assert f"store: Valkey or Redis at {urlsplit(store_url).netloc}\n" in process.out


def test_any_free_port_can_be_had_and_programs_are_told_which(penstock):
    process = penstock.start("up", "--port", "0", "--json")
    told = process.json()
    assert told["url"] == f"http://127.0.0.1:{told['port']}"
    assert told["token"]
    process.answers(told["port"], "/readyz")
    code, _, _ = penstock.run("emit", "a", "1", "--port", str(told["port"]))
    assert code == Exit.OK


def test_production_makes_nothing_up(penstock, port):
    code, out, err = penstock.run("up", "--port", str(port), PENSTOCK_ENVIRONMENT="production")
    assert (code, out) == (Exit.CONFIGURATION, "")
    assert "In production a router must be told how to check tokens" in err
    assert not (penstock.folder / "state").exists()


def test_production_with_a_secret_runs_and_leaves_nothing(penstock, port):
    process = penstock.start(
        "up",
        *("--port", str(port), "--host", "127.0.0.1"),
        PENSTOCK_ENVIRONMENT="production",
        PENSTOCK_AUTH__SECRET="s" * 32,
        PENSTOCK_API_KEYS="a-key-of-production",
    )
    assert "a token that your application signs" in process.says("listens on")
    process.answers(port, "/readyz")
    code, _, err = penstock.run("emit", "a", "1", "--port", str(port), PENSTOCK_API_KEYS="a-key-of-production")
    assert (code, err) == (Exit.OK, "")
    process.tell()
    assert process.ends() == Exit.OK
    assert not (penstock.folder / "state").exists()
    assert {json.loads(line)["level"] for line in process.err.splitlines()} <= {"info"}


def test_a_given_secret_is_used_and_not_left_lying_about(penstock, port):
    penstock.start("up", "--port", str(port), PENSTOCK_AUTH__SECRET="canary" * 8).says("Ctrl-C stops it.")
    listening = penstock.start("listen", "#", "--port", str(port))
    listening.says("listening as developer", on="err")
    assert "canary" not in (penstock.folder / "state" / f"up-{port}.json").read_text()


def test_a_mistyped_setting_is_told_at_the_start(penstock, port):
    process = penstock.start("up", "--port", str(port), PENSTOCK_ALLOWED_ORIGIN="https://example.com")
    process.says("Ctrl-C stops it.")
    process.says("did you mean PENSTOCK_ALLOWED_ORIGINS?", on="err")


def test_nobody_there_is_told_with_what_to_do(penstock, port):
    for words in (["emit", "a", "1"], ["listen", "#", "--token", "e.y.J"]):
        code, out, err = penstock.run(*words, "--port", str(port))
        assert (code, out) == (Exit.UNREACHABLE, "")
        assert f"No gateway answers at http://127.0.0.1:{port}" in err
        assert "Is `penstock up` running?" in err


def test_over_rabbitmq_events_of_both_doors_reach_both_kinds_of_listeners(penstock, vhost, port):
    process = penstock.start("up", "--port", str(port), "--amqp-url", vhost.amqp_url)
    process.says("Ctrl-C stops it.")
    process.answers(port, "/readyz")
    over_socket = penstock.start("listen", "orders.*", "--json", "--count", "2", "--port", str(port))
    over_socket.says("listening as", on="err")
    over_amqp = penstock.start("listen", "orders.*", "--json", "--count", "2", "--amqp-url", vhost.amqp_url)
    over_amqp.says("listening at", on="err")
    assert penstock.run("emit", "orders.1", "1", "--port", str(port))[0] == Exit.OK
    assert penstock.run("emit", "orders.2", "2", "--amqp-url", vhost.amqp_url)[0] == Exit.OK
    for listening in (over_socket, over_amqp):
        assert listening.ends() == Exit.OK
        heard = [json.loads(line) for line in listening.out.splitlines()]
        assert sorted((one["topic"], one["data"]) for one in heard) == [("orders.1", 1), ("orders.2", 2)]
    process.tell()
    assert process.ends() == Exit.OK
    assert [row["name"] for row in vhost.queues() if row["name"].startswith(("penstock.gateway", "penstock.rep"))] == []


def test_two_on_one_broker_take_each_others_tokens(penstock, vhost, store_url):
    ports = [free_port(), free_port()]
    for port in ports:
        process = penstock.start("up", "--port", str(port), "--amqp-url", vhost.amqp_url, "--store-url", store_url)
        process.says("Ctrl-C stops it.")
        process.answers(port, "/readyz")
    tokens = [json.loads((penstock.folder / "state" / f"up-{port}.json").read_text())["token"] for port in ports]
    for token in tokens:
        for port in ports * 2:  # whichever router gets the question
            url = f"http://127.0.0.1:{port}"
            listening = penstock.start("listen", "orders.*", "--url", url, PENSTOCK_TOKEN=token)
            listening.says("listening as developer", on="err")
            listening.tell()
            assert listening.ends() == Exit.OK


def test_three_processes_do_what_one_does(penstock, vhost, store_url, port):
    settings = {"PENSTOCK_AMQP_URL": vhost.amqp_url, "PENSTOCK_STORE_URL": store_url}
    settings |= {"PENSTOCK_AUTH__SECRET": "s" * 32, "PENSTOCK_API_KEYS": "key"}
    programs = [penstock.start(name, **settings) for name in ("router", "worker")]
    programs.append(penstock.start("gateway", "--port", str(port), **settings))
    programs[-1].says(f"gateway listens on 127.0.0.1:{port}", on="err")
    programs[-1].answers(port, "/readyz")
    listening = penstock.start("listen", "#", "--count", "1", "--port", str(port), **settings)
    listening.says("listening as", on="err")
    code, _, err = penstock.run("emit", "orders.42", "1", "--port", str(port), **settings)
    assert (code, err) == (Exit.OK, "")
    assert listening.ends() == Exit.OK
    for program in reversed(programs):
        program.tell()
        assert program.ends() == Exit.OK
        assert "Traceback" not in program.err


@pytest.mark.parametrize("program", ["gateway", "router", "worker"])
def test_a_program_of_its_own_needs_a_broker_and_says_so(penstock, program):
    code, _, err = penstock.run(program, PENSTOCK_AUTH__SECRET="s" * 32)
    assert code == Exit.CONFIGURATION
    assert f"A {program} of its own needs RabbitMQ" in err


def test_a_router_of_its_own_needs_a_store_and_says_so(penstock):
    code, _, err = penstock.run("router", PENSTOCK_AUTH__SECRET="s" * 32, PENSTOCK_AMQP_URL="amqp://localhost:1")
    assert code == Exit.CONFIGURATION
    assert "A router of its own needs Valkey or Redis: set PENSTOCK_STORE_URL" in err
    assert "Traceback" not in err
