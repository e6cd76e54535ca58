"""`penstock config`."""

import json

from penstock.cli.exits import Exit


def test_every_setting_is_shown_with_its_origin(penstock, monkeypatch):
    monkeypatch.setenv("PENSTOCK_PORT", "9000")
    code, out, err = penstock("config")
    assert (code, err) == (0, "")
    assert "PENSTOCK_PORT = 9000  (PENSTOCK_PORT)" in out
    assert "PENSTOCK_LOG_LEVEL = info  (default)" in out


def test_only_what_was_set_can_be_shown(penstock, clean_place):
    (clean_place / "penstock.toml").write_text("port = 9000\n")
    _, out, _ = penstock("config", "--set")
    assert out.startswith("PENSTOCK_PORT = 9000  (penstock.toml)\n")
    assert "LOG_LEVEL" not in out


def test_no_secret_is_ever_shown(penstock, monkeypatch):
    monkeypatch.setenv("PENSTOCK_AUTH__SECRET", "canary" * 8)
    monkeypatch.setenv("PENSTOCK_API_KEYS", "canary-key-1,canary-key-2")
    monkeypatch.setenv("PENSTOCK_AMQP_URL", "amqp://canary:canary@broker/v")
    for form in ([], ["--json"]):
        _, out, err = penstock("config", *form)
        assert "canary" not in out + err
        assert "amqp://***@broker/v" in out


def test_programs_get_everything_there_is_to_know(penstock):
    _, out, _ = penstock("config", "--json")
    answer = json.loads(out)
    port = next(setting for setting in answer["settings"] if setting["name"] == "port")
    assert port["variable"] == "PENSTOCK_PORT"
    assert (port["value"], port["default"], port["type"], port["origin"]) == (8000, 8000, "whole number", "default")
    assert port["programs"] == ["gateway"]


def test_a_mistyped_name_is_told_and_fails_a_check(penstock, monkeypatch):
    monkeypatch.setenv("PENSTOCK_PROT", "9000")
    code, _, err = penstock("config")
    assert (code, err) == (0, "Nobody reads the variable PENSTOCK_PROT; did you mean PENSTOCK_PORT?\n")
    assert penstock("config", "--check")[0] == Exit.CONFIGURATION


def test_a_wrong_setting_of_one_program_does_not_hide_the_others(penstock, monkeypatch):
    monkeypatch.setenv("PENSTOCK_AUTH__SECRET", "short")
    code, out, err = penstock("config")
    assert code == Exit.CONFIGURATION
    assert "PENSTOCK_AUTH__SECRET has 5 bytes" in err
    assert "PENSTOCK_PORT = 8000" in out


def test_a_wrong_setting_does_not_hide_the_others_of_its_program(penstock, monkeypatch):
    monkeypatch.setenv("PENSTOCK_USER_RATE", "fast")
    monkeypatch.setenv("PENSTOCK_USER_BURST", "7")
    monkeypatch.setenv("PENSTOCK_AUTH__SECRET", "canary" * 8)
    code, out, err = penstock("config")
    assert code == Exit.CONFIGURATION
    assert err.startswith("PENSTOCK_USER_RATE: ")
    assert "PENSTOCK_USER_RATE = fast  (PENSTOCK_USER_RATE)" in out, "what is wrong is shown as it was written"
    assert "PENSTOCK_USER_BURST = 7  (PENSTOCK_USER_BURST)" in out
    assert "PENSTOCK_CONNECTION_RATE = 50  (default)" in out
    assert "PENSTOCK_AUTH__SECRET = ***  (PENSTOCK_AUTH__SECRET)" in out
    assert "canary" not in out + err


def test_production_says_what_it_misses(penstock, monkeypatch):
    monkeypatch.setenv("PENSTOCK_ENVIRONMENT", "production")
    code, _, err = penstock("config", "--check")
    assert code == Exit.CONFIGURATION
    assert "In production a router must be told how to check tokens" in err
