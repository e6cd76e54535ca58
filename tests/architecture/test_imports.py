"""Who may import whom. The contract between the five rooms is import-linter's, in pyproject.toml."""

import fnmatch
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.imports import imports_of
from tests.architecture.sources import CLIENT, ROOT, SERVER, broken, sources

AMQP = frozenset({"aio_pika", "aiormq", "pamqp"})
MAY_IMPORT_AMQP = "shared/bus/amqp*"
REDIS = frozenset({"redis", "hiredis", "valkey"})
MAY_IMPORT_REDIS = "shared/store/valkey*"
PICKLES = frozenset({"pickle", "marshal", "shelve", "dill", "cloudpickle"})


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the packages in *folder*."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_gateway_router_and_workers_import_shared_alone_and_penstock_is_imported_by_none() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("gateway", "router"),
        ("router", "workers"),
        ("workers", "gateway"),
        ("shared", "gateway"),
        ("shared", "router"),
        ("shared", "workers"),
        ("shared", "penstock"),
        ("gateway", "penstock"),
        ("router", "penstock"),
        ("workers", "penstock"),
    ],
)
def test_the_contract_sees_a_planted_import(importer: str, imported: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in SERVER:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    assert lint_imports(tmp_path).returncode == 0

    (tmp_path / importer / "__init__.py").write_text(f"import {imported}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert f"{importer} -> {imported}" in done.stdout


def amqp_outside_its_room(path: str, source: str) -> list[str]:
    """AMQP's libraries, imported anywhere but in the one room that hides them."""
    return [] if fnmatch.fnmatch(path, MAY_IMPORT_AMQP) else imports_of(source, AMQP)


def test_only_the_amqp_bus_imports_an_amqp_library() -> None:
    found = {path: amqp_outside_its_room(path, source) for path, source in sources().items()}
    assert not any(found.values()), broken(found)


def test_a_planted_import_of_an_amqp_library_is_seen() -> None:
    for line in ("import aio_pika", "from aiormq.abc import AbstractChannel", "def f():\n    import pamqp.frame"):
        assert amqp_outside_its_room("gateway/uplink.py", line)
        assert amqp_outside_its_room("shared/bus/topology.py", line)
        assert not amqp_outside_its_room("shared/bus/amqp_link.py", line)
    assert not amqp_outside_its_room("gateway/uplink.py", "import aio_pikachu")


def redis_outside_its_room(path: str, source: str) -> list[str]:
    """Redis's libraries, imported anywhere but in the one room that hides them."""
    return [] if fnmatch.fnmatch(path, MAY_IMPORT_REDIS) else imports_of(source, REDIS)


def test_only_the_valkey_store_imports_a_redis_library() -> None:
    found = {path: redis_outside_its_room(path, source) for path, source in sources().items()}
    assert not any(found.values()), broken(found)


def test_a_planted_import_of_a_redis_library_is_seen() -> None:
    for line in ("import redis", "from redis.asyncio import Redis", "def f():\n    import valkey"):
        assert redis_outside_its_room("router/intake.py", line)
        assert redis_outside_its_room("shared/store/memory.py", line)
        assert not redis_outside_its_room("shared/store/valkey_link.py", line)
    assert not redis_outside_its_room("router/intake.py", "import redistribution")


def test_the_client_imports_nothing_of_the_server() -> None:
    found = {
        path: imports_of(source, frozenset(SERVER))
        for path, source in sources().items()
        if path.startswith(CLIENT)
    }
    assert found
    assert not any(found.values()), broken(found)


def test_a_planted_import_of_the_server_is_seen_in_the_client() -> None:
    assert imports_of("from shared.topics import matches", frozenset(SERVER))
    assert not imports_of("from penstock_client.topics import matches", frozenset(SERVER))


def test_nothing_that_is_read_is_run() -> None:
    found = {path: imports_of(source, PICKLES) for path, source in sources().items()}
    assert not any(found.values()), broken(found)


def test_a_planted_pickle_is_seen() -> None:
    assert imports_of("from pickle import loads", PICKLES)
    assert imports_of("import shelve as shelf", PICKLES)
