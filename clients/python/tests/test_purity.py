"""The rooms that decide import nothing that acts, waits, tells the time or rolls dice."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "penstock_client"
SHELL = {"__init__", "client", "connection", "driver", "inbox", "iterator", "tokens", "watch"}
FORBIDDEN = {"asyncio", "websockets", "time", "datetime", "random", "secrets", "socket", "ssl", "threading", "logging"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            yield from ([f".{node.module}"] if node.module else (f".{alias.name}" for alias in node.names))


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_a_pure_room_is_marked_and_imports_only_what_is_pure(path):
    names = set(imported(path))
    if path.stem not in SHELL:
        assert not names & FORBIDDEN
        assert not names & {f".{room}" for room in SHELL}
    assert path.read_text().partition("\n")[0].rstrip('"').endswith("◆") is (path.stem not in SHELL)


def test_only_one_room_knows_websockets():
    assert [path.stem for path in PACKAGE.glob("*.py") if "websockets" in set(imported(path))] == ["connection"]
