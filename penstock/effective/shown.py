"""How a value is shown: secrets masked ◆"""

from __future__ import annotations

from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from shared.telemetry.redact import MASK, redact


def shown(value: object) -> Any:
    """Return `value` as JSON can hold it, without any secret; of a secret URL the host is left."""
    if isinstance(value, SecretStr):
        return _masked(value.get_secret_value())
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, BaseModel):
        return {name: shown(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    return redact(str(value.value if isinstance(value, Enum) else value))


def in_words(value: object) -> str:
    """Return a shown value as one word or a few."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(in_words(item) for item in value) or "–"
    if isinstance(value, dict):
        return " ".join(f"{name}={in_words(item)}" for name, item in value.items())
    if isinstance(value, int):
        return str(value)
    return f"{value:g}" if isinstance(value, float) else (str(value) or "–")


def _masked(secret: str) -> str:
    try:
        parts = urlsplit(secret)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return MASK
    if not parts.scheme or not parts.hostname or "://" not in secret:
        return MASK
    user = f"{MASK}@" if parts.username or parts.password else ""
    return f"{parts.scheme}://{user}{parts.hostname}{port}{parts.path}"
