import pytest
from pydantic import ValidationError

from router.settings import RouterSettings, TopicRule
from router.trust import trust
from shared.errors import ConfigurationError
from tests.unit.router.builders import SECRET
from tests.unit.router.keyring import pem, private


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """No settings but those of the test."""
    monkeypatch.chdir(tmp_path)


def settings(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(f"PENSTOCK_{name}", str(value))
    return RouterSettings()


def test_a_development_without_a_key_can_be_given_a_secret():
    told = RouterSettings().with_secret(SECRET)
    assert told.auth.secret.get_secret_value() == SECRET
    assert trust(told.auth).jwks is None


def test_a_secret_that_is_given_is_checked_too():
    with pytest.raises(ConfigurationError, match="5 bytes"):
        RouterSettings().with_secret("short")


def test_without_any_key_no_router_is_made():
    with pytest.raises(ConfigurationError, match="PENSTOCK_AUTH__SECRET"):
        trust(RouterSettings().auth)


def test_the_environment_names_the_key(monkeypatch):
    told = settings(monkeypatch, AUTH__SECRET=SECRET, AUTH__ALGORITHMS="HS256", AUTH__ISSUER="https://a")
    assert told.auth.secret.get_secret_value() == SECRET
    assert told.auth.algorithms == ("HS256",)


@pytest.mark.parametrize("text", ["RS256, ES256", '["RS256", "ES256"]'])
def test_algorithms_are_listed_with_commas_or_as_json(monkeypatch, text):
    told = settings(monkeypatch, AUTH__JWKS_URL="https://issuer/keys", AUTH__ALGORITHMS=text)
    assert told.auth.algorithms == ("RS256", "ES256")


def test_a_file_names_topic_rules(tmp_path):
    (tmp_path / "penstock.toml").write_text(
        '[[topics]]\nmatch = "orders.#"\nslow = "latest"\npublish_rate = 10\n'
        '[[topics]]\nmatch = "chat.*"\nhistory = 0\n'
    )
    told = RouterSettings()
    assert [rule.match for rule in told.rules] == ["orders.#", "chat.*", "#"]
    assert told.rules[0] == TopicRule(match="orders.#", slow="latest", publish_rate=10)


def test_the_default_rule_is_the_last():
    rule = RouterSettings().rules[-1]
    assert (rule.match, rule.history, rule.history_ttl, rule.slow) == ("#", 100, 300, "disconnect")
    assert (rule.publish_rate, rule.publish_burst, rule.presence) == (20, 40, False)


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"AUTH__SECRET": "x" * 31}, "32"),
        ({"AUTH__SECRET": SECRET, "AUTH__JWKS_URL": "https://a"}, "one way only"),
        ({"AUTH__SECRET": SECRET, "AUTH__PUBLIC_KEY_FILE": "key.pem"}, "one way only"),
        ({"AUTH__JWKS_URL": "https://a", "AUTH__PUBLIC_KEY_FILE": "key.pem"}, "one way only"),
        ({"AUTH__SECRET": SECRET, "AUTH__ALGORITHMS": "HS256,RS256"}, "the only algorithm is HS256"),
        ({"AUTH__SECRET": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQ"}, "PUBLIC_KEY_FILE"),
        ({"AUTH__JWKS_URL": "https://a", "AUTH__ALGORITHMS": "RS256,HS256"}, "HS256 needs a secret"),
        ({"AUTH__JWKS_URL": "file:///etc/passwd"}, "https://"),
        ({"ENVIRONMENT": "production"}, "must be told how to check tokens"),
        ({"TOPICS": '[{"match": "orders..x"}]'}, "orders..x"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence_that_names_it(monkeypatch, variables, word):
    with pytest.raises(ConfigurationError, match=word) as wrong:
        settings(monkeypatch, **variables)
    assert SECRET not in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    "variables",
    [
        {"AUTH__ALGORITHMS": "none"},
        {"AUTH__ALGORITHMS": "[x"},
        {"TOPICS": '[{"match": "a", "publish_rate": 0}]'},
        {"TOPICS": '[{"match": "a", "slow": "maybe"}]'},
        {"TOPICS": '[{"match": "a", "histroy": 5}]'},
        {"PREFETCH": "0"},
        {"MAX_PAYLOAD_DEPTH": "100000"},
    ],
)
def test_a_value_out_of_its_range_stops_the_start(monkeypatch, variables):
    with pytest.raises(ValidationError):
        settings(monkeypatch, **variables)


def test_a_secret_is_not_printed(monkeypatch):
    told = settings(monkeypatch, AUTH__SECRET=SECRET)
    assert SECRET not in repr(told) + str(told) + told.model_dump_json()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_public_key_file_pins_its_algorithm(monkeypatch, tmp_path, algorithm):
    (tmp_path / "key.pem").write_bytes(pem(private(algorithm)))
    trust(settings(monkeypatch, AUTH__PUBLIC_KEY_FILE="key.pem").auth)
    other = "RS256" if algorithm != "RS256" else "ES256"
    with pytest.raises(ConfigurationError, match=f"is for {algorithm}"):
        trust(settings(monkeypatch, AUTH__ALGORITHMS=other).auth)


@pytest.mark.parametrize(("content", "word"), [(None, "cannot be read"), (b"hello", "PEM")])
def test_a_key_file_that_cannot_be_used_stops_the_start(monkeypatch, tmp_path, content, word):
    if content is not None:
        (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(ConfigurationError, match=word):
        trust(settings(monkeypatch, AUTH__PUBLIC_KEY_FILE="key.pem").auth)


def test_a_jwks_url_brings_a_fetcher_of_keys(monkeypatch):
    assert trust(settings(monkeypatch, AUTH__JWKS_URL="https://issuer/keys").auth).jwks is not None
