"""No error disappears: whoever catches everything counts it and tells."""

import ast

import pytest

from tests.architecture.sources import broken, sources

BROAD = {"Exception", "BaseException"}


def swallows(source: str) -> list[str]:
    """Where *source* catches everything and does nothing."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and all(map(_does_nothing, node.body)):
            found.append(f"line {node.lineno} catches everything and passes")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "suppress":
            found.extend(f"line {node.lineno} suppresses everything" for kind in node.args if _is_broad(kind))
    return found


def _is_broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(map(_is_broad, kind.elts))
    return kind is None or ast.unparse(kind).split(".")[-1] in BROAD


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass | ast.Continue) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def test_no_source_file_swallows_everything() -> None:
    found = {path: swallows(source) for path, source in sources().items()}
    assert not any(found.values()), broken(found)


@pytest.mark.parametrize(
    "planted",
    [
        "try:\n    f()\nexcept Exception:\n    pass",
        "try:\n    f()\nexcept:\n    ...",
        "try:\n    f()\nexcept (KeyError, BaseException) as e:\n    'never mind'",
        "for x in y:\n    try:\n        f()\n    except builtins.Exception:\n        continue",
        "with contextlib.suppress(Exception):\n    f()",
        "with suppress(OSError, BaseException):\n    f()",
    ],
)
def test_a_planted_silence_is_seen(planted: str) -> None:
    assert swallows(planted)


@pytest.mark.parametrize(
    "innocent",
    [
        "try:\n    f()\nexcept KeyError:\n    pass",
        "try:\n    f()\nexcept Exception as e:\n    log(e)",
        "with suppress(OSError):\n    f()",
    ],
)
def test_a_narrow_or_spoken_catch_is_not(innocent: str) -> None:
    assert not swallows(innocent)
