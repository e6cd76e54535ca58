"""Pure rooms are pure."""

import pytest

from tests.architecture.purity import MARK, ROOMS, impurities, is_pure
from tests.architecture.sources import broken, sources


def test_rooms_marked_pure_touch_no_loop_no_network_no_clock_and_no_chance() -> None:
    found = {path: impurities(source) for path, source in sources().items() if is_pure(path, source)}
    assert not any(found.values()), broken(found)


def test_every_room_that_must_be_pure_is_there() -> None:
    assert not [room for room in ROOMS if not any(path.startswith(room) for path in sources())]


@pytest.mark.parametrize(
    "planted",
    [
        "import asyncio",
        "from asyncio import sleep",
        "from aio_pika.abc import AbstractMessage",
        "import websockets.frames",
        "import time",
        "from time import monotonic as clock",
        "import random",
        "from uuid import uuid4",
        "def later():\n    import secrets",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import socket",
        "import datetime\nnow = datetime.datetime.now()",
        "from datetime import datetime\nnow = datetime.now",
        "from datetime import date\nday = date.today()",
    ],
)
def test_a_planted_impurity_is_seen(planted: str) -> None:
    assert impurities(planted)


@pytest.mark.parametrize(
    "innocent",
    ["from timeit import default_timer", "import datetime\nd = datetime.timedelta(1)", "def f(now): return now.now"],
)
def test_what_only_looks_impure_is_not(innocent: str) -> None:
    assert not impurities(innocent)


def test_a_room_is_pure_by_the_table_or_by_its_own_word() -> None:
    assert is_pure("shared/topics.py", "")
    assert is_pure("gateway/codecs/json.py", "")
    assert is_pure("workers/anything.py", f'"""Decides. {MARK}\n\nAt length."""')
    assert not is_pure("workers/anything.py", f'"""Decides.\n\nUnlike those marked {MARK}"""')
    assert not is_pure("workers/anything.py", "import asyncio")
