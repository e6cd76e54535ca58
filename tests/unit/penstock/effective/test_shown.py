"""Values as they are shown."""

from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from penstock.effective.shown import in_words, shown


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ("canary", "***"),
        ("amqp://user:canary@broker:5672/vhost?heartbeat=canary", "amqp://***@broker:5672/vhost"),
        ("amqp://canary@broker", "amqp://***@broker"),
        ("amqps://broker", "amqps://broker"),
        ("amqp://user:can/ary@broker", "***"),
        ("amqp://user:canary@[broker", "***"),
        ("canary://", "***"),
    ],
)
def test_of_a_secret_only_the_host_of_a_url_is_shown(secret, expected):
    assert shown(SecretStr(secret)) == expected


def test_secrets_in_lists_and_models_are_masked():
    class Model(BaseModel):
        key: SecretStr = SecretStr("canary")

    assert shown((SecretStr("canary"), Model())) == ["***", {"key": "***"}]


def test_a_password_in_a_plain_url_is_masked_too():
    assert shown("https://user:canary@issuer/jwks") == "https://user:***@issuer/jwks"


def test_plain_values_are_what_json_can_hold():
    assert shown((1, 2.5, True, None, Path("/x"))) == [1, 2.5, True, None, "/x"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        ([], "–"),
        ("", "–"),
        (True, "true"),
        (10.0, "10"),
        (0.5, "0.5"),
        (["a", 1], "a, 1"),
        ({"a": 1}, "a=1"),
    ],
)
def test_words_are_short(value, words):
    assert in_words(value) == words
