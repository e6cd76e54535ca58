import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import RSAAlgorithm

from router.keys import MAX_JWKS_KEYS, OneKey, UnfitKey, read_jwks, read_pem
from shared.errors import TokenRefused
from tests.unit.router.keyring import ALGORITHMS, jwk, jwks, pem, private


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_kind_of_a_public_key_says_its_algorithm(algorithm):
    assert read_pem(pem(private(algorithm))).algorithm == algorithm


def test_a_key_is_for_its_algorithm_alone():
    key = OneKey("HS256", b"secret")
    assert key.find("HS256", "any kid") == b"secret"
    with pytest.raises(TokenRefused):
        key.find("RS256", None)


def test_a_private_key_is_not_read():
    text = private("ES256").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UnfitKey, match="private key"):
        read_pem(text)


@pytest.mark.parametrize("text", [b"", b"hello", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_pem_is_refused(text):
    with pytest.raises(UnfitKey, match="PEM"):
        read_pem(text)


def test_a_short_rsa_key_is_refused():
    with pytest.raises(UnfitKey, match="1024 bits"):
        read_pem(pem(rsa.generate_private_key(65537, 1024)))


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), x25519.X25519PrivateKey.generate()])
def test_a_key_of_a_kind_that_is_not_used_is_refused(key):
    with pytest.raises(UnfitKey, match="neither RSA nor P-256 nor Ed25519"):
        read_pem(pem(key))


def test_a_jwks_holds_keys_of_several_kinds():
    keys = read_jwks(jwks(*(jwk(algorithm, kid="k") for algorithm in ALGORITHMS)))
    assert (len(keys), keys.ignored) == (3, 0)
    for algorithm in ALGORITHMS:
        assert keys.find(algorithm, "k") == private(algorithm).public_key()
        assert keys.find(algorithm, None) == private(algorithm).public_key()
        assert keys.find(algorithm, "other") is None


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k"},
        {"kty": "???"},
        {"kty": "RSA"},
        {"kty": "RSA", "n": "!", "e": "AQAB"},
        {"kty": 5},
        jwk("RS256", use="enc"),
        jwk("RS256", alg="RS512"),
        jwk("RS256", alg="HS256"),
        json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key())),
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
    ],
)
def test_an_entry_that_is_not_for_us_is_ignored(entry):
    keys = read_jwks(jwks(entry, jwk("ES256", kid="good")))
    assert (len(keys), keys.ignored) == (1, 1)


def test_of_an_entry_with_a_private_key_only_the_public_half_is_read():
    entry = json.loads(RSAAlgorithm.to_jwk(private("RS256"))) | {"kid": "k"}
    assert "d" in entry
    assert read_jwks(jwks(entry)).find("RS256", "k") == private("RS256").public_key()


def test_two_keys_of_one_name_are_none():
    keys = read_jwks(jwks(jwk("RS256", 0, kid="k"), jwk("RS256", 1, kid="k")))
    assert keys.find("RS256", "k") is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys":' + b"[" * 100_000, b"<html>"])
def test_what_is_no_jwks_is_refused(body):
    with pytest.raises(UnfitKey, match="not a JWKS"):
        read_jwks(body)


def test_a_jwks_with_too_many_keys_is_refused():
    with pytest.raises(UnfitKey, match="101 keys"):
        read_jwks(jwks(*[{"kty": "RSA"}] * (MAX_JWKS_KEYS + 1)))
