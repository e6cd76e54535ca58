"""What tokens are checked with."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path

from penstock.doctor.verdict import Verdict, fail, ok, warn
from router.settings import RouterSettings

JWKS_BYTES = 2**20
"""Bytes read of a key set at most."""


def token_key(settings: RouterSettings) -> Verdict:
    """Judge the key: a secret, a public key or a URL."""
    auth = settings.auth
    if auth.public_key_file is not None:
        return _public_key(auth.public_key_file)
    if auth.jwks_url is not None:
        return _jwks(auth.jwks_url, auth.jwks_timeout)
    if auth.secret is not None:
        return ok("token key", "a secret for HS256, long enough")
    return warn(
        "token key",
        "none is set: `penstock up` makes a secret in development, a router of its own will not start",
        "Set one of PENSTOCK_AUTH__SECRET, PENSTOCK_AUTH__PUBLIC_KEY_FILE and PENSTOCK_AUTH__JWKS_URL.",
    )


def _public_key(path: Path) -> Verdict:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    mend = "PENSTOCK_AUTH__PUBLIC_KEY_FILE must name a PEM file with a public key."
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        return fail("token key", f"{path} cannot be read: {error.strerror}", mend)
    except (ValueError, UnsupportedAlgorithm):
        return fail("token key", f"{path} holds no public key in PEM", mend)
    return ok("token key", f"{path}: {type(key).__name__.removesuffix('PublicKey').lstrip('_')}")


def _jwks(url: str, timeout: float) -> Verdict:
    mend = "Tokens cannot be checked until it answers; look at PENSTOCK_AUTH__JWKS_URL and at the issuer."
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            keys = json.loads(answer.read(JWKS_BYTES))["keys"]
    except urllib.error.HTTPError as error:
        with error:
            return fail("token key", f"{url} answers {error.code}", mend)
    except (OSError, http.client.HTTPException) as error:
        return fail("token key", f"{url} cannot be reached: {getattr(error, 'reason', error)}", mend)
    except (ValueError, KeyError, TypeError):
        return fail("token key", f"{url} gives no key set (RFC 7517)", mend)
    return ok("token key", f"{url} gives {len(keys)} keys")
