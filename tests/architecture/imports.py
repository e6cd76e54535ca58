"""What a source file imports, read from its syntax."""

import ast
from collections.abc import Iterator


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported anywhere in *source*, relative imports left out.

    ``from a import b`` counts as ``a.b``: whether b is a module is for the caller to know.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def imports_of(source: str, banned: frozenset[str]) -> list[str]:
    """Where *source* imports one of the *banned* names, or anything inside one."""
    return [
        f"line {line} imports {name}"
        for line, name in imports(source)
        if any(name == ban or name.startswith(ban + ".") for ban in banned)
    ]
