"""From the settings to what checks a token: the key that was configured, or the issuer's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from router.jwks import Jwks
from router.keys import KeySource, OneKey, UnfitKey, read_pem
from router.settings import ASYMMETRIC, AuthSettings
from router.tokens import Verifier
from shared.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Trust:
    """A verifier, and the fetcher of its keys where it needs one."""

    verifier: Verifier
    jwks: Jwks | None = None


def trust(auth: AuthSettings) -> Trust:
    """Return what `auth` says. Raises `ConfigurationError` where it says nothing, or what cannot be."""
    if auth.jwks_url is not None:
        jwks = Jwks(auth.jwks_url, ttl=auth.jwks_ttl, interval=auth.jwks_refresh_interval, timeout=auth.jwks_timeout)
        return Trust(_verifier(auth, jwks, auth.algorithms or ASYMMETRIC), jwks)
    if auth.secret is not None:
        key = OneKey("HS256", auth.secret.get_secret_value().encode())
    elif auth.public_key_file is not None:
        key = _read(auth.public_key_file)
    else:
        raise ConfigurationError(
            "No key to check tokens with: set PENSTOCK_AUTH__SECRET, PENSTOCK_AUTH__PUBLIC_KEY_FILE or "
            "PENSTOCK_AUTH__JWKS_URL."
        )
    if auth.algorithms is not None and key.algorithm not in auth.algorithms:
        raise ConfigurationError(
            f"The configured key is for {key.algorithm}, which PENSTOCK_AUTH__ALGORITHMS does not have: "
            f"it has {', '.join(auth.algorithms)}."
        )
    return Trust(_verifier(auth, key, (key.algorithm,)))


def _verifier(auth: AuthSettings, keys: KeySource, algorithms: tuple[str, ...]) -> Verifier:
    return Verifier(keys, algorithms, issuer=auth.issuer, audience=auth.audience, leeway=auth.leeway)


def _read(path: Path) -> OneKey:
    try:
        return read_pem(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"PENSTOCK_AUTH__PUBLIC_KEY_FILE cannot be read: {path}: {error.strerror}.") from error
    except UnfitKey as error:
        raise ConfigurationError(f"PENSTOCK_AUTH__PUBLIC_KEY_FILE cannot be used: {path}: {error}.") from error
