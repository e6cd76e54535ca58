"""The answers of /healthz and /readyz."""

import json

from shared.health import PROBE_MAX_AGE, healthz, readyz, readyz_behind


def test_a_living_process_is_alive_whatever_its_broker_does():
    answer = healthz(uptime=12.34)
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "alive", "uptime": 12.3})


def test_a_process_is_ready_while_its_last_probe_is_young():
    assert readyz(now=100.0, last_probe=100.0 - PROBE_MAX_AGE, bus="ready").status == 200


def test_a_process_is_not_ready_when_its_last_probe_is_old():
    answer = readyz(now=100.0, last_probe=89.9, bus="ready")
    assert answer.status == 503
    assert answer.facts["reason"] == "the last probe that a router answered is 10 s old; is one running?"


def test_a_process_is_not_ready_before_the_first_probe_came_back():
    answer = readyz(now=100.0, last_probe=None, bus="ready")
    assert answer.status == 503
    assert answer.facts["probe_age"] is None


def test_a_process_that_drains_is_not_ready_though_its_probe_is_young():
    assert readyz(now=1.0, last_probe=1.0, bus="ready", draining=True).status == 503


def test_a_process_whose_bus_is_away_is_not_ready_though_its_probe_is_young():
    answer = readyz(now=1.0, last_probe=1.0, bus="away")
    assert (answer.status, answer.facts["reason"]) == (503, "there is no connection to the broker")


def test_the_reason_names_the_broker_when_it_is_away_or_blocked():
    assert "no connection" in str(readyz(now=99.0, last_probe=None, bus="away").facts["reason"])
    assert "alarm" in str(readyz(now=99.0, last_probe=1.0, bus="blocked").facts["reason"])


def test_a_process_without_clients_is_ready_while_it_has_its_bus():
    assert readyz_behind(bus="ready").status == 200
    assert readyz_behind(bus="blocked").status == 200, "a blocked publisher still consumes"
    assert readyz_behind(bus="away").status == 503
    assert readyz_behind(bus="ready", draining=True).status == 503
    assert readyz_behind(bus="ready", working=False).status == 503
    away = readyz_behind(bus="ready", working=False, store_away=True)
    assert away.status == 503
    assert b"the store is away" in away.body


def test_a_gateway_whose_subscriptions_get_no_slots_is_not_ready() -> None:
    answer = readyz(now=100.0, last_probe=100.0, bus="ready", binding=False)
    assert answer.status == 503
    assert "slots" in str(answer.facts["reason"])
    away = readyz(now=100.0, last_probe=None, bus="away", binding=False)
    assert "connection" in str(away.facts["reason"]), "the cause comes before what follows from it"
