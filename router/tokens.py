"""Whether a token proves who its bearer is (RFC 7519, with the advice of RFC 8725) ◆

Nothing in a token says how it is to be checked: the algorithms and the keys are configured, its ``kid`` only chooses
among these, and ``jku``, ``x5u`` or ``iss`` lead nowhere (CVE-2026-32301).
"""

from __future__ import annotations

import re
from typing import TypeAlias

import msgspec
from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import PyJWTError

from router.keys import KeySource, NeedsKeys
from router.payloads import json_depth
from shared.envelopes import Grant
from shared.errors import TokenRefused
from shared.topics import is_pattern

MAX_TOKEN = 8192
"""Characters."""
MAX_PATTERNS = 100
"""Patterns in each of ``subscribe``, ``publish`` and ``call``."""
MAX_INFO = 4096
"""Bytes of ``info``, as MessagePack."""
MAX_NAME = 128
"""Bytes of ``sub`` and of ``jti``."""
MAX_DEPTH = 32
"""How deep a token's claims may be nested."""
MAX_TIME = 2**40
"""Seconds since 1970 beyond which a number is no time."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Time: TypeAlias = int | float


class _Rights(msgspec.Struct):
    subscribe: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    call: tuple[str, ...] = ()
    info: dict[str, msgspec.Raw] = {}


class _Claims(msgspec.Struct):
    sub: str
    exp: Time
    iat: Time | None = None
    nbf: Time | None = None
    jti: str = ""
    iss: str | None = None
    aud: str | list[str] | None = None
    penstock: _Rights = msgspec.field(default_factory=_Rights)


Outcome: TypeAlias = Grant | TokenRefused | NeedsKeys

_read_claims = msgspec.json.Decoder(_Claims).decode


class _Secret(HMACAlgorithm):
    """HS256 for the one secret that there is.

    PyJWT looks at it before each check, to see whether it is a public key by mistake, and that takes longer than the
    check itself: here it is looked at once.
    """

    def __init__(self) -> None:
        super().__init__(HMACAlgorithm.SHA256)
        self._looked_at: str | bytes | None = None
        self._prepared = b""

    def prepare_key(self, key: str | bytes) -> bytes:
        if key is not self._looked_at:
            self._prepared = super().prepare_key(key)
            self._looked_at = key
        return self._prepared


class Verifier:
    """Checks tokens of the `algorithms` with `keys`. `leeway` is seconds by which clocks may differ."""

    def __init__(
        self,
        keys: KeySource,
        algorithms: tuple[str, ...],
        *,
        issuer: str | None = None,
        audience: str | None = None,
        leeway: float = 5.0,
    ) -> None:
        self.leeway = leeway
        self._keys = keys
        self._algorithms = algorithms
        self._issuer = issuer
        self._audience = audience
        self._jws = PyJWS(algorithms=list(algorithms))
        if "HS256" in algorithms:
            self._jws.unregister_algorithm("HS256")
            self._jws.register_algorithm("HS256", _Secret())

    def verify(self, token: str, now: float) -> Outcome:
        """Return what `token` grants, why it is refused, or that its key must be fetched first.

        `now` is seconds since 1970. Reasons are for the bearer, and quote nothing of the token.
        """
        try:
            payload = self.payload(token)
            return payload if isinstance(payload, NeedsKeys) else self._grant(payload, now)
        except TokenRefused as refused:
            return refused

    def payload(self, token: str) -> bytes | NeedsKeys:
        """Return what was signed, once the signature holds. Raises `TokenRefused`."""
        if not token:
            raise TokenRefused("no token was given")
        if len(token) > MAX_TOKEN or _COMPACT.fullmatch(token) is None:
            raise TokenRefused("the token is not a JWT")
        try:
            header = self._jws.get_unverified_header(token)
        except (PyJWTError, ValueError, RecursionError):
            raise TokenRefused("the token's header cannot be read") from None
        if "crit" in header:  # RFC 7515, section 4.1.11: we understand no extension
            raise TokenRefused("the token needs an extension that is not understood here")
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._algorithms:
            raise TokenRefused("the token's algorithm is not accepted here")
        key = self._keys.find(algorithm, kid)
        if isinstance(key, NeedsKeys):
            return key
        try:
            signed: bytes = self._jws.decode_complete(token, key, algorithms=[algorithm])["payload"]
        except (PyJWTError, ValueError, TypeError, RecursionError):
            raise TokenRefused("the token's signature does not hold") from None
        return signed

    def _grant(self, payload: bytes, now: float) -> Grant:
        try:
            if json_depth(payload) > MAX_DEPTH:
                raise TokenRefused("the token's claims are nested too deeply")
            claims = _read_claims(payload)
        except msgspec.ValidationError as error:  # names the claim and the types, never a value
            raise TokenRefused(f"the token's claims are not right: {error}") from None
        except (ValueError, RecursionError):
            raise TokenRefused("the token's claims cannot be read") from None
        self._check_times(claims, now)
        self._check_parties(claims)
        if not 1 <= len(claims.sub.encode()) <= MAX_NAME or _CONTROL.search(claims.sub):
            raise TokenRefused(f"the token's sub must have 1 to {MAX_NAME} bytes and no control characters")
        if len(claims.jti.encode()) > MAX_NAME:
            raise TokenRefused(f"the token's jti may have {MAX_NAME} bytes")
        rights = claims.penstock
        return Grant(
            user=claims.sub,
            subscribe=_patterns("subscribe", rights.subscribe),
            publish=_patterns("publish", rights.publish),
            call=_patterns("call", rights.call),
            expires=int(claims.exp),
            jti=claims.jti,
            info=_info(rights.info),
        )

    def _check_times(self, claims: _Claims, now: float) -> None:
        for name, time in (("exp", claims.exp), ("iat", claims.iat), ("nbf", claims.nbf)):
            if time is not None and not 0 <= time <= MAX_TIME:
                raise TokenRefused(f"the token's {name} is not a time in seconds since 1970")
        if now >= claims.exp + self.leeway:
            raise TokenRefused("the token has expired", expired=True)
        if claims.nbf is not None and now < claims.nbf - self.leeway:
            raise TokenRefused("the token is not valid yet")
        if claims.iat is not None and now < claims.iat - self.leeway:
            raise TokenRefused("the token was issued in the future; a clock is wrong")

    def _check_parties(self, claims: _Claims) -> None:
        if self._issuer is not None and claims.iss != self._issuer:
            raise TokenRefused("the token is from another issuer")
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
        # RFC 7519, section 4.1.3: who is not among those named must refuse it.
        if self._audience not in audiences and (audiences or self._audience is not None):
            raise TokenRefused("the token is for another audience")


def _patterns(claim: str, patterns: tuple[str, ...]) -> tuple[str, ...]:
    if len(patterns) > MAX_PATTERNS:
        raise TokenRefused(f"the token has more than {MAX_PATTERNS} patterns in {claim}")
    if not all(map(is_pattern, patterns)):
        raise TokenRefused(f"the token has a pattern in {claim} that is not valid")
    return patterns


def _info(info: dict[str, msgspec.Raw]) -> msgspec.Raw:
    try:
        packed = msgspec.msgpack.encode({name: msgspec.json.decode(value) for name, value in info.items()})
    except (ValueError, OverflowError, RecursionError):
        raise TokenRefused("the token's info cannot be carried: a number in it is out of range") from None
    if len(packed) > MAX_INFO:
        raise TokenRefused(f"the token's info may have {MAX_INFO} bytes")
    return msgspec.Raw(packed)
