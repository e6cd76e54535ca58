"""Tokens and keys of strangers: who may come in, and nobody else ◆"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache

import msgspec

from router.keys import KeySet, NeedsKeys, OneKey, UnfitKey, read_jwks
from router.tokens import MAX_INFO, MAX_NAME, MAX_PATTERNS, MAX_TIME, Outcome, Verifier
from shared.envelopes import Grant, pack, read_grant
from shared.errors import TokenRefused
from shared.topics import is_pattern
from tests.fuzz.target import CUT, Growth, Target, parts

SECRET = b"a secret of more than thirty-two bytes"
NOW = 1_700_000_000.0
VERIFIER = Verifier(OneKey("HS256", SECRET), ("HS256",))

HEADER = b'{"alg":"HS256","typ":"JWT"}'
CLAIMS = tuple(
    json.dumps(claims).encode()
    for claims in (
        {"sub": "ada", "exp": NOW + 60},
        {"sub": "é", "exp": int(NOW) + 60, "iat": NOW, "nbf": NOW, "jti": "x", "iss": "i", "aud": ["a"]},
        {"sub": "a", "exp": 2**40, "penstock": {"subscribe": ["#", "a.*"], "publish": ["a.b"], "call": []}},
        {"sub": "a", "exp": NOW + 1, "penstock": {"info": {"name": "Ada", "n": [1, {"x": None}], "big": 2**64 - 1}}},
    )
)


def b64(data: bytes) -> bytes:
    """Return base64url without its padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed(header: bytes, payload: bytes) -> str:
    """Return a token that holds, whatever it says."""
    text = b64(header) + b"." + b64(payload)
    return (text + b"." + b64(hmac.digest(SECRET, text, hashlib.sha256))).decode()


def verified(token: str) -> Outcome:
    """Verify, and hold what is granted to what a grant may be."""
    outcome = VERIFIER.verify(token, NOW)
    assert isinstance(outcome, Grant | TokenRefused), outcome
    if isinstance(outcome, TokenRefused):
        assert 0 < len(outcome.reason) < 300
        return outcome
    assert 1 <= len(outcome.user.encode()) <= MAX_NAME
    assert outcome.user.isprintable() or not any(ord(letter) < 32 for letter in outcome.user)
    assert len(outcome.jti.encode()) <= MAX_NAME
    assert type(outcome.expires) is int
    assert NOW - VERIFIER.leeway - 1 < outcome.expires <= MAX_TIME
    for patterns in (outcome.subscribe, outcome.publish, outcome.call):
        assert len(patterns) <= MAX_PATTERNS
        assert all(map(is_pattern, patterns))
    assert len(bytes(outcome.info)) <= MAX_INFO
    assert isinstance(msgspec.msgpack.decode(outcome.info), dict)
    assert read_grant(pack(outcome)) == outcome
    return outcome


def read_token(data: bytes) -> None:
    """Take what a client sends as its token; only those may be good whose signature is."""
    token = data.decode("utf-8", "replace")
    if isinstance(verified(token), Grant):
        head, _, signature = token.rpartition(".")
        given = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        assert given == hmac.digest(SECRET, head.encode(), hashlib.sha256)


def read_header(data: bytes) -> None:
    """Take a token that is signed, and whose header says whatever it likes."""
    if isinstance(verified(signed(data, CLAIMS[0])), Grant):
        header = json.loads(data)
        assert header["alg"] == "HS256"
        assert "crit" not in header


def read_claims(data: bytes) -> None:
    """Take a token that is signed, and whose claims are whatever they like."""
    outcome = verified(signed(HEADER, data))
    if isinstance(outcome, Grant):
        claims = json.loads(data.decode("utf-8", "replace"))  # claims that nobody reads may hold anything
        assert outcome.user == claims["sub"]
        assert claims["exp"] + VERIFIER.leeway > NOW


def read_keys(data: bytes) -> None:
    """Take an issuer's key set, and look for the keys of a token in it."""
    kid, body = parts(data, 2)
    keys = read_jwks(body)
    assert isinstance(keys, KeySet)
    for algorithm in ("HS256", "RS256", "ES256", "EdDSA", "none"):
        key = keys.find(algorithm, kid.decode("utf-8", "replace"))
        assert not isinstance(key, bytes | NeedsKeys), "a secret is no key of an issuer"
        assert algorithm not in ("HS256", "none") or key is None


@cache
def _jwks() -> bytes:
    keys = [
        {"kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "sig", "x": b64(bytes(range(32))).decode()},
        {"kty": "EC", "crv": "P-256", "kid": "b", "alg": "ES256", "x": _X, "y": _Y},
        {"kty": "RSA", "kid": "c", "n": b64(b"\xff" * 256).decode(), "e": "AQAB"},
        {"kty": "oct", "kid": "d", "k": "c2VjcmV0"},
    ]
    return json.dumps({"keys": keys}).encode()


# The base point of P-256 (SEC 2, section 2.4.2): a key that anybody may have.
_X = b64(bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")).decode()
_Y = b64(bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")).decode()

_TOKEN = signed(HEADER, CLAIMS[0]).encode()
_WORDS = (
    b'"alg":', b'"HS256"', b'"none"', b'"kid":', b'"crit":["exp"]', b'"sub":', b'"exp":', b'"penstock":', b'"info":{',
    b'"subscribe":["#"]', b"{", b"}", b"[", b"]", b",", b"1700000060", b"1e300", b"-1", b'"aud":"a"', b'"b64":false',
    b'"zip":"DEF"', b'"jku":"http://localhost"',
)  # fmt: skip

TARGETS = (
    Target(
        "token",
        read_token,
        (_TOKEN, _TOKEN.replace(b".", b"..", 1), b"a.b.c", signed(b'{"alg":"none"}', CLAIMS[0]).encode(), b""),
        words=(b".", b"=", b64(b'{"alg":"none"}'), b64(HEADER), b64(CLAIMS[2])),
        growth=(Growth(b"a"), Growth(b"."), Growth(b"a", b"a.", b".a"), Growth("é".encode())),
    ),
    Target(
        "token-header",
        read_header,
        (HEADER, b'{"alg":"HS256","kid":"k","crit":[]}', b'{"alg":["HS256"]}', b"[]", b""),
        words=_WORDS,
        growth=(Growth(b"["), Growth(b'{"alg":'), Growth(b'"a%d":1,', b'{"alg":"HS256",', b'"z":0}')),
    ),
    Target(
        "token-claims",
        read_claims,
        CLAIMS,
        words=_WORDS,
        growth=(Growth(b"["), Growth(b'"#",', b'{"sub":"a","exp":1800000000,"penstock":{"subscribe":[', b'"#"]}}')),
    ),
    Target(
        "keys",
        read_keys,
        (b"a" + CUT + _jwks(), b"b" + CUT + _jwks(), b"" + CUT + b'{"keys":[]}'),
        allowed=(UnfitKey,),
        words=(*_WORDS, b'"kty":', b'"RSA"', b'"EC"', b'"OKP"', b'"x":', b'"n":', b'"e":"AQAB"', b'"use":"enc"', CUT),
        growth=(Growth(b"{},", b'\x1e{"keys":[', b"{}]}"), Growth(b"[", b'\x1e{"keys":')),
    ),
)
