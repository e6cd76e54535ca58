"""What `penstock up` leaves for other commands on the machine."""

import os
import stat

import pytest

from penstock import local
from penstock.local import Door

DOOR = Door("http://127.0.0.1:8000", "secret", "key", "token")


def test_what_was_left_on_a_port_is_found_again():
    local.remember(8000, DOOR)
    assert local.recall(8000) == DOOR


def test_ports_do_not_share_what_was_left():
    local.remember(8000, DOOR)
    assert local.recall(8001) is None


def test_only_the_owner_can_read_it():
    umask = os.umask(0)
    try:
        path = local.remember(8000, DOOR)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_nothing_else_stays_in_the_folder():
    local.remember(8000, DOOR)
    local.remember(8000, DOOR)
    assert [path.name for path in local.folder().iterdir()] == ["up-8000.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": "x", "colour": "red"}', "null"])
def test_a_broken_file_is_as_good_as_none(content):
    local.remember(8000, DOOR).write_text(content)
    assert local.recall(8000) is None


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PENSTOCK_STATE_DIR", str(tmp_path / "file" / "state"))
    assert local.remember(8000, DOOR) is None


def test_the_folder_follows_the_desktop_convention(monkeypatch):
    monkeypatch.delenv("PENSTOCK_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", "/x/state")
    assert str(local.folder()) == "/x/state/penstock"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert local.folder().parts[-3:] == (".local", "state", "penstock")


def test_all_servers_on_one_broker_have_the_secret_of_the_first():
    assert local.common_secret("broker:5672 /", "first") == "first"
    assert local.common_secret("broker:5672 /", "second") == "first"
    assert local.common_secret("broker:5672 /other", "third") == "third"


def test_a_broken_secret_is_made_anew_for_all():
    local.common_secret("broker:5672 /", "first")
    (path,) = local.folder().iterdir()
    path.write_text("{")
    assert local.common_secret("broker:5672 /", "second") == "second"
    assert local.common_secret("broker:5672 /", "third") == "second"
    assert (stat.S_IMODE(path.stat().st_mode), list(local.folder().iterdir())) == (0o600, [path])


def test_without_a_folder_the_secret_is_what_was_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PENSTOCK_STATE_DIR", str(tmp_path / "file" / "state"))
    assert local.common_secret("broker:5672 /", "made") == "made"
