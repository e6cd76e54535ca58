from ipaddress import ip_network

import pytest
from pydantic import SecretStr, ValidationError

from gateway.settings import GatewaySettings, Limits


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("PENSTOCK_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(str(tmp_path))


def test_defaults_are_those_of_the_protocol() -> None:
    limits = GatewaySettings().gateway
    assert (limits.heartbeat, limits.heartbeat_grace, limits.connect_timeout) == (25, 10, 5)
    assert (limits.max_subscriptions, limits.outbox_bytes, limits.request_timeout) == (128, 256 * 1024, 4)
    assert GatewaySettings().port == 8000


def test_development_listens_to_this_machine_and_production_to_all() -> None:
    assert GatewaySettings().host == "127.0.0.1"
    assert GatewaySettings(environment="production").host == "0.0.0.0"
    assert GatewaySettings(environment="production", host="192.0.2.1").host == "192.0.2.1"


def test_lists_are_read_from_variables_with_commas_and_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_ALLOWED_ORIGINS", "https://a.com, http://b.com:81")
    monkeypatch.setenv("PENSTOCK_TRUSTED_PROXIES", '["10.0.0.0/8", "fd00::/8"]')
    monkeypatch.setenv("PENSTOCK_API_KEYS", "first-key,second-key")
    settings = GatewaySettings()
    assert settings.allowed_origins == ("https://a.com", "http://b.com:81")
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert [key.get_secret_value() for key in settings.api_keys] == ["first-key", "second-key"]
    assert "first-key" not in repr(settings)


def test_an_empty_variable_is_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_API_KEYS", "")
    monkeypatch.setenv("PENSTOCK_ALLOWED_ORIGINS", "")
    assert GatewaySettings().api_keys == ()
    assert GatewaySettings().allowed_origins == ()


def test_limits_are_set_by_nested_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_GATEWAY__MAX_PER_USER", "3")
    assert GatewaySettings().gateway.max_per_user == 3


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ALLOWED_ORIGINS", "example.com", "no origin"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "trusted_proxies"),
        ("TRUSTED_PROXIES", "everybody", "trusted_proxies"),
        ("API_KEYS", "schlüssel", "printable ASCII"),
        ("API_KEYS", "two words", "printable ASCII"),
        ("PORT", "65536", "65535"),
        ("GATEWAY__MAX_SUBSCRIPTIONS", "0", "greater"),
        ("GATEWAY__MAX_SUBSCRIPTONS", "5", "Extra inputs"),
    ],
)
def test_wrong_settings_are_refused_with_words_that_help(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"PENSTOCK_{name}", value)
    with pytest.raises(ValidationError, match=says) as refused:
        GatewaySettings()
    assert "schlüssel" not in str(refused.value)


def test_a_short_api_key_is_refused_in_production_only() -> None:
    assert GatewaySettings(api_keys=(SecretStr("short"),)).api_keys
    with pytest.raises(ValidationError, match="openssl rand") as refused:
        GatewaySettings(environment="production", api_keys=(SecretStr("short"),))
    assert "'short'" not in str(refused.value)


def test_every_setting_has_a_sentence_and_every_number_its_bounds() -> None:
    for model in (Limits, GatewaySettings):
        for name, field in model.model_fields.items():
            assert field.description, name
            assert field.description.endswith((".", ")")), name
    for name, field in Limits.model_fields.items():
        kinds = {type(bound).__name__ for bound in field.metadata}
        assert kinds & {"Gt", "Ge"}, name
        assert kinds & {"Lt", "Le"}, name
