"""Keeps secrets out of what is printed ◆

Code never logs a token or a password. This room is the second fence: whatever looks like one is masked, by the name of
its field or by its shape.
"""

from __future__ import annotations

import re

MASK = "***"

_SECRET_NAMES = re.compile(r"token|secret|password|passwd|authorization|api_?key|credential|cookie", re.IGNORECASE)

_SHAPES = (
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"), MASK),  # RFC 7519: a JWT, {" in base64url
    (re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{1,20}://[^\s:/@]*):[^\s/@]*@", re.IGNORECASE), rf"\g<scheme>:{MASK}@"),
    (re.compile(r"\b(?P<kind>Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE), rf"\g<kind> {MASK}"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
)


def is_secret_name(name: str) -> bool:
    """Say whether a field of this name holds what must not be printed."""
    return _SECRET_NAMES.search(name) is not None


def redact(text: str) -> str:
    """Return `text` with everything masked that has the shape of a secret."""
    for shape, mask in _SHAPES:
        text = shape.sub(mask, text)
    return text
