"""Which version of Penstock this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """Return the version that is installed; ``unreleased`` where it runs from a bare folder."""
    try:
        return version("penstock")
    except PackageNotFoundError:
        return "unreleased"
