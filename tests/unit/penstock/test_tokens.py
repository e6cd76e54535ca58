"""Tokens that are made here."""

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from penstock import tokens
from shared.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("30d", 2_592_000), (" 5m ", 300)]
)
def test_durations_have_units(text, expected):
    assert tokens.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0", "0h", "-1h", "1.5h", "1w", "h", "1h30m", "١h"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration like"):
        tokens.seconds(text)


def test_claims_hold_the_rights_that_were_given_and_no_others():
    claims = tokens.claims("ada", 1000.9, 60, ["orders.#"], [])
    assert claims == {"sub": "ada", "iat": 1000, "exp": 1060, "penstock": {"subscribe": ["orders.#"]}}


def test_a_right_that_is_no_pattern_is_refused():
    with pytest.raises(ConfigurationError, match=r"'a\.\.b' cannot be a right to publish"):
        tokens.claims("ada", 0, 60, [], ["a..b"])


def test_made_secrets_differ_and_are_long_enough():
    one, other = tokens.make_secret(), tokens.make_secret()
    assert one != other
    assert len(one) >= 32


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa.generate_private_key(65537, 2048), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
    ids=["rsa", "p-256", "ed25519"],
)
def test_a_private_key_tells_its_algorithm_and_its_tokens_can_be_checked(tmp_path, key, algorithm):
    path = tmp_path / "key.pem"
    path.write_bytes(pem(key))
    read, found = tokens.read_private_key(path)
    assert found == algorithm
    token = tokens.sign({"sub": "ada"}, read, found)
    assert jwt.decode(token, key.public_key(), algorithms=[algorithm]) == {"sub": "ada"}


def test_a_key_on_another_curve_is_refused(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(pem(ec.generate_private_key(ec.SECP384R1())))
    with pytest.raises(ConfigurationError, match="a key of another kind"):
        tokens.read_private_key(path)


def test_a_file_without_a_key_and_no_file_are_told_apart(tmp_path):
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ConfigurationError, match="holds no private key"):
        tokens.read_private_key(tmp_path / "text")
    with pytest.raises(ConfigurationError, match=r"Cannot read the key .*No such file"):
        tokens.read_private_key(tmp_path / "missing")


def test_a_secret_that_routers_would_refuse_signs_nothing():
    with pytest.raises(ConfigurationError, match="has 5 bytes and must have 32"):
        tokens.sign({"sub": "ada"}, "short", "HS256")
