"""The keys that tokens are checked with: each is for exactly one algorithm ◆

That is what keeps a public key from being used as an HMAC secret, and an RSA key from meeting an ES256 token: a key is
looked up by the algorithm it was made for, whatever the token says (RFC 8725, section 3.1; CVE-2026-48523).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from shared.errors import TokenRefused

MIN_RSA_BITS = 2048
"""RFC 7518, section 3.3."""
MAX_RSA_BITS = 8192
"""What is larger costs more time than a login may take."""
MAX_JWKS_KEYS = 100

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
Key: TypeAlias = bytes | PublicKey

_READERS = {"RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk, "OKP": OKPAlgorithm.from_jwk}


class UnfitKey(Exception):
    """A key that no token should be checked with, and why."""


@dataclass(frozen=True, slots=True)
class NeedsKeys:
    """The key is not here, and the issuer may have it.

    `retry_after` is the seconds until the issuer may be asked, 0 where that may be now. `heard` says whether it
    answered when it was asked last.
    """

    retry_after: float
    heard: bool


class KeySource(Protocol):
    """Where keys are looked up."""

    def find(self, algorithm: str, kid: str | None) -> Key | NeedsKeys:
        """Return the key for `algorithm`; `kid` chooses where there are several. Raises `TokenRefused`."""


class OneKey:
    """The one key that was configured; a token's ``kid`` does not matter."""

    def __init__(self, algorithm: str, key: Key) -> None:
        self.algorithm = algorithm
        self._key = key

    def find(self, algorithm: str, kid: str | None) -> Key:
        """Return the key if it is for `algorithm`."""
        if algorithm != self.algorithm:
            raise TokenRefused("the token's algorithm is not accepted here")
        return self._key


class KeySet:
    """The keys of one JWKS. `ignored` counts those that cannot check a token here."""

    def __init__(self, keys: list[tuple[str, str | None, Key]], ignored: int) -> None:
        self.ignored = ignored
        self._keys = keys

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self._keys)

    def find(self, algorithm: str, kid: str | None) -> Key | None:
        """Return the one key for `algorithm` that `kid` names, or that there is; None where it is none or not one."""
        found = [key for made_for, name, key in self._keys if made_for == algorithm and kid in (None, name)]
        return found[0] if len(found) == 1 else None


class _Jwk(msgspec.Struct):
    """The public members of a key (RFC 7518, section 6; RFC 8037); private ones are not even read."""

    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    crv: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None


class _Jwks(msgspec.Struct):
    keys: list[msgspec.Raw]


_read_jwks = msgspec.json.Decoder(_Jwks).decode
_read_jwk = msgspec.json.Decoder(_Jwk).decode


def read_pem(pem: bytes) -> OneKey:
    """Return the public key in `pem`; raise `UnfitKey` where there is none for us."""
    if b"PRIVATE KEY" in pem:
        raise UnfitKey("it holds a private key, and a router needs the public one only")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitKey("it holds no public key in PEM form") from None
    return OneKey(*_fit(key))


def read_jwks(body: bytes) -> KeySet:
    """Return the keys in a JWKS (RFC 7517, section 5), without those that are not for us.

    Raises `UnfitKey` where it is no JWKS, or has more than `MAX_JWKS_KEYS` keys.
    """
    try:
        entries = _read_jwks(body).keys
    except (ValueError, RecursionError):
        raise UnfitKey("it is not a JWKS") from None
    if len(entries) > MAX_JWKS_KEYS:
        raise UnfitKey(f"it has {len(entries)} keys, and {MAX_JWKS_KEYS} are the most we read")
    keys = [key for entry in entries if (key := _read_entry(entry)) is not None]
    return KeySet(keys, ignored=len(entries) - len(keys))


def _read_entry(entry: msgspec.Raw) -> tuple[str, str | None, Key] | None:
    """Return a key of a JWKS, or None: unknown kinds are to be ignored (RFC 7517, section 5), and so are secrets."""
    try:
        jwk = _read_jwk(entry)
        read = _READERS.get(jwk.kty)
        if read is None or jwk.use not in (None, "sig"):
            return None
        algorithm, key = _fit(read({name: value for name, value in msgspec.structs.asdict(jwk).items() if value}))
    except (ValueError, TypeError, KeyError, RecursionError, UnsupportedAlgorithm, InvalidKeyError, UnfitKey):
        return None
    return (algorithm, jwk.kid, key) if jwk.alg in (None, algorithm) else None


def _fit(key: object) -> tuple[str, PublicKey]:
    """Return the algorithm that `key` is for, and `key`."""
    match key:
        case rsa.RSAPublicKey(key_size=bits):
            if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
                raise UnfitKey(f"its RSA key has {bits} bits, and {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")
            return "RS256", key
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return "ES256", key
        case ed25519.Ed25519PublicKey():
            return "EdDSA", key
    raise UnfitKey("its key is neither RSA nor P-256 nor Ed25519")
