"""The scripts that the server runs: one call of one of them is one batch, done as a whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """A script in Lua, and the digest by which a server that has seen it knows it."""

    name: str
    text: bytes
    digest: str


def _script(name: str) -> Script:
    folder = files("shared.store") / "scripts"
    text = (folder / "log.lua").read_bytes() + (folder / f"{name}.lua").read_bytes()
    return Script(name, text, sha1(text, usedforsecurity=False).hexdigest())


ADMIT = _script("admit")
READ = _script("read")
RECENT = _script("recent")
AGE = _script("age")
ROLL = _script("roll")
ATTEMPTS = _script("attempts")
