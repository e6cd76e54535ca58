"""The pure rooms, marked ◆: no event loop, no network, no clock, no chance. Time and chance are arguments."""

import ast

from tests.architecture.imports import imports_of

MARK = "◆"

# The rooms that must stay pure, whether or not they say so. Others mark themselves in their docstring.
ROOMS = (
    "shared/topics.py",
    "shared/frames.py",
    "shared/envelopes.py",
    "shared/codes.py",
    "shared/errors.py",
    "shared/backoff.py",
    "shared/bus/topology.py",
    "gateway/codecs/",
    "gateway/states.py",
    "gateway/session.py",
    "gateway/effects.py",
    "gateway/subscriptions.py",
    "gateway/catchup.py",
    "gateway/backlog.py",
    "gateway/outbox.py",
    "router/pipeline.py",
    "router/access.py",
    "router/limits.py",
    "router/rules.py",
    "router/routing.py",
)

IMPURE = frozenset(
    {
        *("asyncio", "uvloop", "threading", "multiprocessing", "concurrent", "subprocess"),
        *("aio_pika", "aiormq", "pamqp", "websockets", "aiohttp", "redis", "socket", "ssl", "http", "urllib.request"),
        *("time", "random", "secrets", "uuid"),
    }
)
CLOCKS = frozenset({"now", "utcnow", "today"})  # of datetime and date


def is_pure(path: str, source: str) -> bool:
    """Whether the file stands in the table, or ends the first line of its docstring with the mark."""
    words = ast.get_docstring(ast.parse(source)) or ""
    return path.startswith(ROOMS) or words.partition("\n")[0].rstrip().endswith(MARK)


def impurities(source: str) -> list[str]:
    """Where *source* imports what a pure room may not, or asks the clock."""
    return imports_of(source, IMPURE) + [
        f"line {node.lineno} asks the clock: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in CLOCKS
        and ast.unparse(node.value).split(".")[-1] in {"datetime", "date"}
    ]
