"""The locks hold what pyproject.toml asks for, and nothing of the machine that wrote them."""

import re
import tomllib

import pytest

from tests.architecture.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "requirements-dev.lock": PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"],
}


def name_of(requirement: str) -> str:
    """The normalised name that a requirement begins with (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()  # type: ignore[index]


def versions(text: str) -> dict[str, str]:
    """Every requirement of a lock with its version."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_locked_with_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    locked = versions(text)
    assert not {name_of(requirement) for requirement in LOCKS[lock]} - set(locked)
    blocks = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("lock", LOCKS)
def test_no_host_and_no_path_stands_in_a_lock(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.findall(r".*(?:://|index-url|find-links|[ =]/\w).*", text)


def test_developers_have_the_versions_that_run() -> None:
    run, develop = (versions((ROOT / lock).read_text(encoding="utf-8")) for lock in LOCKS)
    assert run.items() <= develop.items()
