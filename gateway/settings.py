"""What a gateway is told: where it listens, who may come in, and the bound of everything it holds."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from gateway.origins import Origins
from shared.settings import CommonSettings

KIB = 1024

MIN_API_KEY = 16
"""Characters that an API key has at least in production."""


def _listed(value: object) -> object:
    """Read ``a, b`` as well as ``["a", "b"]``."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else [word.strip() for word in value.split(",") if word]


def _networks(value: object) -> object:
    """Read networks, with words of our own: pydantic's speak of each kind of network that it tried."""
    listed = _listed(value)
    return [_network(item) for item in listed] if isinstance(listed, list | tuple) else listed


def _network(value: object) -> object:
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError as error:
        why = "; the bits after the prefix must be 0" if "host bits" in str(error) else ""
        raise ValueError(f"{value!r} is no network such as 10.0.0.0/8{why}") from None


class Limits(BaseModel):
    """``[gateway]``: bounds, and what happens at each of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # How many.
    max_connections: int = Field(
        default=20_000,
        ge=1,
        le=1_000_000,
        description="Connections in all; further handshakes are answered with 503 and Retry-After.",
    )
    max_unauthenticated: int = Field(
        default=2_000,
        ge=1,
        le=1_000_000,
        description="Connections that are not authenticated yet; further handshakes are answered with 503.",
    )
    max_per_address: int = Field(
        default=1_000,
        ge=1,
        le=1_000_000,
        description="Connections from one address (IPv6: from one /64); further ones are closed with 4104.",
    )
    max_per_user: int = Field(
        default=100, ge=1, le=1_000_000, description="Connections of one user; further ones are closed with 4104."
    )
    max_subscriptions: int = Field(
        default=128,
        ge=1,
        le=10_000,
        description="Subscriptions of one connection; further ones are refused with forbidden.",
    )
    max_pending_requests: int = Field(
        default=256,
        ge=1,
        le=10_000,
        description="Requests of one connection without an answer yet; further ones are refused with overloaded.",
    )

    # How much.
    max_frame_bytes: int = Field(
        default=64 * KIB,
        ge=1 * KIB,
        le=1024 * KIB,
        description="Bytes of one WebSocket message of a client; a larger one closes the connection with 4107.",
    )
    max_early_frame_bytes: int = Field(
        default=32 * KIB,
        ge=10 * KIB,
        le=1024 * KIB,
        description="The same for a client that is not authenticated yet: room for a token and 128 subscriptions. "
        "Never more than max_frame_bytes.",
    )
    outbox_bytes: int = Field(
        default=256 * KIB,
        ge=16 * KIB,
        le=64 * 1024 * KIB,
        description="Bytes that wait for one client that reads slowly; then the rule of the topic counts "
        "(disconnect: it is closed with 4002).",
    )
    window_bytes: int = Field(
        default=128 * 1024 * KIB,
        ge=1024 * KIB,
        le=64 * 1024 * 1024 * KIB,
        description="Bytes of messages, and 512 more for each, kept for crowds that come back, of all topics; at it "
        "those of the topic that has not been needed for longest go, and its log is read again.",
    )
    max_event_bytes: int = Field(
        default=128 * KIB,
        ge=1,
        le=16 * 1024 * KIB,
        description="Bytes of the body of POST /api/events/…; a larger one is answered with 413.",
    )
    max_http_connections: int = Field(
        default=1_000,
        ge=1,
        le=100_000,
        description="Connections that speak HTTP, not WebSocket; further ones are answered with 503. "
        "/healthz and /readyz are answered all the same.",
    )
    max_http_per_address: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Of these, the ones from one address (IPv6: from one /64) without a valid API key.",
    )
    max_handshakes: int = Field(
        default=4_000,
        ge=1,
        le=100_000,
        description="Connections whose request is not read yet; at the bound the oldest of them is closed.",
    )

    # How fast.
    frame_rate: float = Field(
        default=100.0,
        gt=0,
        le=100_000,
        description="Frames a second of one client, each 4 KiB of a larger message counted as one (but for "
        "max_subscriptions times max_frame_bytes, once a connection); further ones are refused with rate_limited.",
    )
    frame_burst: int = Field(
        default=256, ge=1, le=100_000, description="Frames at once of one client, before frame_rate counts."
    )
    flood_tolerance: int = Field(
        default=100,
        ge=0,
        le=100_000,
        description="Refused frames in a row after which a client is flooding, and is closed with 4105.",
    )

    # How long.
    handshake_timeout: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Seconds for a request to come in whole; then the connection is closed.",
    )
    connect_timeout: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Seconds from the handshake to the connect frame; then the connection is closed with 4100.",
    )
    request_timeout: float = Field(
        default=4.0,
        gt=0,
        le=60,
        description="Seconds a router has for an answer; then the gateway answers timeout, and a later one is dropped.",
    )
    heartbeat: float = Field(default=25.0, ge=1, le=3600, description="Seconds from one ping to the next.")
    heartbeat_grace: float = Field(
        default=10.0,
        ge=1,
        le=600,
        description="Seconds a client has to answer a ping; then the connection is closed with 4001.",
    )
    http_timeout: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="Seconds for the body of an HTTP request to come in whole (then 408), and the life of idle HTTP "
        "connections.",
    )
    drain: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="Seconds over which the clients of a gateway that stops are sent away (4000), a few at a time.",
    )

    # The way to the routers and back.
    uplink_window: int = Field(
        default=4,
        ge=1,
        le=10_000,
        description="Batches to one partition without a confirm; then requests wait, and sockets are not read.",
    )
    uplink_high_water: int = Field(
        default=4_096,
        ge=4,
        le=1_000_000,
        description="Requests that wait for the window; further ones are refused with overloaded.",
    )
    slot_linger: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="Seconds for which a slot stays bound after its last subscriber left.",
    )
    flush_interval_ms: float = Field(
        default=8.0,
        ge=0,
        le=100,
        description="Milliseconds that a message waits at most for others that go to the same client, under load.",
    )

    @model_validator(mode="after")
    def _leave_room_to_come_back(self) -> Limits:
        """Let a client that comes back subscribe to all that it had, at once: that is never too fast."""
        needed = self.max_subscriptions + 1
        if self.frame_burst < needed or self.max_pending_requests < needed:
            raise ValueError(
                f"frame_burst and max_pending_requests must be {needed} at least: a client that comes back sends "
                f"connect and its {self.max_subscriptions} subscriptions (max_subscriptions) at once"
            )
        return self


class GatewaySettings(CommonSettings):
    """Everything a gateway can be told."""

    host: str = Field(
        default="",
        validate_default=True,
        description="Address to listen on. Absent: 127.0.0.1 in development, 0.0.0.0 in production.",
    )
    port: int = Field(default=8000, ge=0, le=65_535, description="Port for WebSocket and HTTP; 0: any free one.")
    backlog: int = Field(
        default=2_048,
        ge=1,
        le=65_535,
        description="Connections that wait for us to accept them; beyond it the kernel lets new ones try again.",
    )
    reuse_port: bool = Field(
        default=False, description="Whether several gateways on one machine share the port (SO_REUSEPORT)."
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_listed)] = Field(
        default=(),
        description="Keys of back ends that may POST events, comma-separated; in production of 16 characters or more. "
        "Absent: nobody may.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = Field(
        default=(),
        description="Origins of web pages that may connect, comma-separated: https://example.com, null, or * for all. "
        "The gateway's own host always may, and in development localhost on any port.",
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)] = Field(
        default=(),
        description="Networks of the proxies whose X-Forwarded-For is believed, comma-separated. Absent: none is.",
    )
    gateway: Limits = Field(default_factory=Limits, description="Bounds, and what happens at each of them.")

    @field_validator("host", mode="before")
    @classmethod
    def _choose_host(cls, host: Any, info: ValidationInfo) -> Any:
        if host:
            return host
        return "0.0.0.0" if info.data.get("environment") == "production" else "127.0.0.1"

    @field_validator("api_keys")
    @classmethod
    def _check_api_keys(cls, keys: tuple[SecretStr, ...], info: ValidationInfo) -> tuple[SecretStr, ...]:
        for place, key in enumerate(keys, 1):
            text = key.get_secret_value()
            if not (text.isascii() and text.isprintable() and text and " " not in text):
                raise ValueError(
                    f"API key {place} must be of printable ASCII without spaces, as it travels in a header"
                )
            if info.data.get("environment") == "production" and len(text) < MIN_API_KEY:
                raise ValueError(
                    f"API key {place} has {len(text)} characters and must have {MIN_API_KEY} at least in production; "
                    "make one with: openssl rand -hex 24"
                )
        return keys

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        Origins(origins)
        return origins
