"""Single settings read quickly: the same as pydantic reads them."""

import pytest

from penstock.lookup import lookup
from router.settings import RouterSettings
from shared.errors import ConfigurationError

SECRET = "x" * 32
OTHER = "y" * 32


def test_what_nobody_set_is_none():
    assert lookup("auth.secret") is None


@pytest.mark.parametrize("name", ["PENSTOCK_AUTH__SECRET", "penstock_auth__secret"])
def test_the_environment_goes_before_the_file_as_in_all_settings(clean_place, monkeypatch, name):
    (clean_place / "penstock.toml").write_text(f'[auth]\nsecret = "{OTHER}"\n')
    assert lookup("auth.secret") == RouterSettings().auth.secret.get_secret_value() == OTHER
    monkeypatch.setenv(name, SECRET)
    assert lookup("auth.secret") == RouterSettings().auth.secret.get_secret_value() == SECRET


def test_a_broken_file_is_told_by_name(clean_place):
    (clean_place / "penstock.toml").write_text("port = ")
    with pytest.raises(ConfigurationError, match=r"Cannot read .*penstock\.toml: Invalid value"):
        lookup("port")
