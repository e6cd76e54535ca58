"""What a router is told: whose tokens it believes, what may be published, how much of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.errors import ConfigurationError
from shared.settings import CommonSettings
from shared.topics import is_pattern

Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]

ASYMMETRIC: tuple[Algorithm, ...] = ("RS256", "ES256", "EdDSA")

MIN_SECRET_BYTES = 32
"""RFC 7518, section 3.2: a key for HS256 is at least as long as its hash."""


def _listed(value: object) -> object:
    """Read ``RS256, ES256`` as well as ``["RS256", "ES256"]``."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else [word.strip() for word in value.split(",")]


class AuthSettings(BaseModel):
    """How tokens are checked: exactly one of a secret, a public key and a JWKS URL."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    secret: SecretStr | None = Field(default=None, description="Secret for HS256, at least 32 bytes.")
    public_key_file: Path | None = Field(
        default=None, description="PEM file with a public key: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)."
    )
    jwks_url: str | None = Field(default=None, description="Where the issuer publishes its public keys (RFC 7517).")
    algorithms: Annotated[tuple[Algorithm, ...] | None, NoDecode, BeforeValidator(_listed)] = Field(
        default=None,
        description="Algorithms that are accepted, of HS256, RS256, ES256, EdDSA. Absent: those the key is for.",
    )
    issuer: str | None = Field(default=None, description="The iss that a token must have. Absent: any or none.")
    audience: str | None = Field(
        default=None, description="The aud that a token must have. Absent: tokens without one only."
    )
    leeway: float = Field(
        default=5.0, ge=0, le=300, description="Seconds by which an issuer's clock may differ from ours."
    )
    jwks_ttl: float = Field(
        default=600.0, ge=1, description="Seconds after which keys from the JWKS URL are fetched again."
    )
    jwks_refresh_interval: float = Field(
        default=30.0, gt=0, description="Least seconds between two fetches, whatever comes."
    )
    jwks_timeout: float = Field(default=5.0, gt=0, le=60, description="Seconds that one fetch may take.")

    @property
    def has_key(self) -> bool:
        """Say whether anything is configured to check a token with."""
        return any((self.secret, self.public_key_file, self.jwks_url))

    @model_validator(mode="after")
    def _check(self) -> AuthSettings:
        if sum(map(bool, (self.secret, self.public_key_file, self.jwks_url))) > 1:
            raise ConfigurationError(
                "Tokens are checked in one way only: set one of PENSTOCK_AUTH__SECRET, "
                "PENSTOCK_AUTH__PUBLIC_KEY_FILE and PENSTOCK_AUTH__JWKS_URL, and remove the others."
            )
        if self.secret is not None:
            self._check_secret(self.secret.get_secret_value())
        elif self.has_key and "HS256" in (self.algorithms or ()):
            raise ConfigurationError(
                "HS256 needs a secret, and a public key or JWKS is configured: "
                f"choose PENSTOCK_AUTH__ALGORITHMS from {', '.join(ASYMMETRIC)}."
            )
        if self.jwks_url is not None and not self.jwks_url.startswith(("https://", "http://")):
            raise ConfigurationError("PENSTOCK_AUTH__JWKS_URL must begin with https:// or http://.")
        return self

    def _check_secret(self, secret: str) -> None:
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ConfigurationError(
                f"PENSTOCK_AUTH__SECRET has {len(secret.encode())} bytes and must have {MIN_SECRET_BYTES} at least "
                "(RFC 7518, section 3.2); make one with: openssl rand -base64 48"
            )
        if "-----BEGIN" in secret:
            raise ConfigurationError(
                "PENSTOCK_AUTH__SECRET holds a PEM key, which would be used as an HS256 secret: "
                "name its file in PENSTOCK_AUTH__PUBLIC_KEY_FILE instead."
            )
        if set(self.algorithms or ()) - {"HS256"}:
            raise ConfigurationError(
                "With PENSTOCK_AUTH__SECRET the only algorithm is HS256: change PENSTOCK_AUTH__ALGORITHMS, "
                "or use a public key or JWKS."
            )


class TopicRule(BaseModel):
    """How the topics that `match` are treated, unless an earlier rule matches them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str = Field(description="The pattern of the topics this rule is for.")
    history: int = Field(default=100, ge=0, le=100_000, description="Messages kept for those who come back; 0: none.")
    history_ttl: int = Field(default=300, ge=1, description="Seconds for which they are kept.")
    slow: Literal["disconnect", "drop", "latest"] = Field(
        default="disconnect",
        description="What happens to a client that reads too slowly: disconnect closes it with 4002; drop leaves out "
        "the oldest messages that wait for it, latest all but the newest of a topic. What is left out is counted; "
        "with drop, on a topic with history, the client is told by a gap.",
    )
    presence: bool = Field(default=False, description="Whether clients may see who else is subscribed.")
    presence_listed: int = Field(
        default=100,
        ge=1,
        le=1_000,
        description="Members that one answer lists; the count beside them is exact, however many there are.",
    )
    publish_rate: float = Field(default=20.0, gt=0, description="Messages a second of one user on one topic.")
    publish_burst: int = Field(default=40, ge=1, description="Messages at once of one user on one topic.")

    @field_validator("match")
    @classmethod
    def _is_pattern(cls, match: str) -> str:
        if not is_pattern(match):
            raise ConfigurationError(
                f"The topic rule for {match!r} has no valid pattern: "
                "1-16 segments joined by dots, each of A-Z a-z 0-9 _ ~ : @ = - or one of * and #."
            )
        return match


DEFAULT_RULE = TopicRule(match="#")


class RouterSettings(CommonSettings):
    """Everything a router can be told."""

    auth: AuthSettings = Field(default=AuthSettings(), description="How tokens are checked.")
    topics: tuple[TopicRule, ...] = Field(default=(), description="Topic rules; the first that matches counts.")

    user_rate: float = Field(
        default=100.0, gt=0, description="Messages a second that one user may publish, on all topics."
    )
    user_burst: int = Field(default=200, ge=1, description="Messages at once that one user may publish.")
    connection_rate: float = Field(default=50.0, gt=0, description="Messages a second that one connection may publish.")
    connection_burst: int = Field(default=100, ge=1, description="Messages at once that one connection may publish.")
    max_limit_keys: int = Field(
        default=100_000, ge=1, description="Rates kept in memory; the longest unused are forgotten."
    )

    max_payload_bytes: int = Field(default=128 * 1024, ge=1, le=16 * 2**20, description="Bytes of one payload.")
    max_payload_depth: int = Field(
        default=64, ge=1, le=256, description="How deep the arrays and objects of a payload may be nested."
    )
    presence_linger: float = Field(
        default=5.0,
        ge=0,
        le=300,
        description="Seconds after which it is told that a user left a topic; who comes back sooner never left.",
    )
    presence_lease: float = Field(
        default=20.0,
        ge=1,
        le=600,
        description="Seconds for which a gateway that says nothing counts as alive; then its sessions count no more.",
    )
    prefetch: int = Field(
        default=128, ge=1, le=10_000, description="Messages of one partition taken before they are done."
    )
    max_parked: int = Field(default=1_000, ge=1, description="Requests that wait for the issuer's keys.")

    @property
    def rules(self) -> tuple[TopicRule, ...]:
        """Return the topic rules, the last of which matches everything."""
        return (*self.topics, DEFAULT_RULE)

    def with_secret(self, secret: str) -> RouterSettings:
        """Return these settings with `secret` to check tokens with: for a development that was told none."""
        auth = AuthSettings(**{**dict(self.auth), "secret": SecretStr(secret)})
        return self.model_copy(update={"auth": auth})

    @model_validator(mode="after")
    def _check_production(self) -> RouterSettings:
        if self.environment == "production" and not self.auth.has_key:
            raise ConfigurationError(
                "In production a router must be told how to check tokens: set one of PENSTOCK_AUTH__SECRET, "
                "PENSTOCK_AUTH__PUBLIC_KEY_FILE and PENSTOCK_AUTH__JWKS_URL."
            )
        return self
