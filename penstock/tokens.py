"""Makes tokens: JSON Web Tokens with Penstock's rights (RFC 7519)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError
from shared.topics import is_pattern

DAY = 86_400

MIN_SECRET_BYTES = 32
"""RFC 7518, section 3.2: a key for HS256 is at least as long as its hash."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY}
_DURATION = re.compile(r"(\d{1,9})([smhd]?)", re.ASCII)


def make_secret() -> str:
    """Return a new secret for HS256, 384 bits in base64url."""
    return secrets.token_urlsafe(48)


def seconds(text: str) -> int:
    """Return the seconds of ``90``, ``90s``, ``15m``, ``1h`` or ``30d``; raise `ValueError` for anything else."""
    matched = _DURATION.fullmatch(text.strip())
    if matched is None or int(matched[1]) == 0:
        raise ValueError(f"{text!r} is not a duration like 90s, 15m, 1h or 30d")
    return int(matched[1]) * _UNITS[matched[2] or "s"]


def claims(
    user: str, now: float, ttl: int, subscribe: Sequence[str], publish: Sequence[str], call: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the claims of a token that is good from `now` (seconds since 1970) for `ttl` seconds.

    Raises `ConfigurationError` for a right that is no pattern.
    """
    rights = {"subscribe": subscribe, "publish": publish, "call": call}
    for name, patterns in rights.items():
        for pattern in patterns:
            if not is_pattern(pattern):
                raise ConfigurationError(
                    f"{pattern!r} cannot be a right to {name}: a pattern is 1-16 segments joined by dots, "
                    "each of A-Z a-z 0-9 _ ~ : @ = - or one of * and #."
                )
    return {
        "sub": user,
        "iat": int(now),
        "exp": int(now) + ttl,
        "penstock": {name: list(patterns) for name, patterns in rights.items() if patterns},
    }


def sign(payload: dict[str, Any], key: str | bytes, algorithm: str) -> str:
    """Return the token; raise `ConfigurationError` where the key is not one for the algorithm."""
    if algorithm == "HS256" and len(key) < MIN_SECRET_BYTES:
        raise ConfigurationError(
            f"The secret has {len(key)} bytes and must have {MIN_SECRET_BYTES} at least (RFC 7518, section 3.2); "
            "routers would refuse its tokens. Make one with: openssl rand -base64 48"
        )
    import jwt  # a fifth of a second, which other commands need not spend

    try:
        return jwt.encode(payload, key, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise ConfigurationError(f"Cannot sign with {algorithm} and this key: {error}.") from error


def read_private_key(path: Path) -> tuple[bytes, str]:
    """Return a PEM private key and the algorithm it is for; raise `ConfigurationError` where it is none."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        pem = path.read_bytes()
        key = load_pem_private_key(pem, password=None)
    except OSError as error:
        raise ConfigurationError(f"Cannot read the key {path}: {error.strerror}.") from error
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path} holds no private key in PEM without a password.") from error
    if isinstance(key, rsa.RSAPrivateKey):
        return pem, "RS256"
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return pem, "ES256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return pem, "EdDSA"
    raise ConfigurationError(f"{path} holds a key of another kind: use RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).")
