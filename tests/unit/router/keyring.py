"""Key pairs, made once a run, and what a JWKS says of them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ALGORITHMS = ("RS256", "ES256", "EdDSA")
_JWK = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


def private(algorithm: str, which: int = 0) -> Any:
    """A private key for `algorithm`; another `which` is another key."""
    return _private(algorithm, which)


@cache
def _private(algorithm: str, which: int) -> Any:
    if algorithm == "RS256":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> bytes:
    """The public half as a PEM file has it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(algorithm: str, which: int = 0, **more: Any) -> dict[str, Any]:
    """The public half as a JWKS has it."""
    return {**json.loads(_JWK[algorithm].to_jwk(private(algorithm, which).public_key())), **more}


def jwks(*keys: dict[str, Any]) -> bytes:
    """A JWKS with these keys."""
    return json.dumps({"keys": list(keys)}).encode()
