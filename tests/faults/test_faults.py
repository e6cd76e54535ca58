"""The faults that are worth a few seconds of every test run, each with one seed; ``make faults`` has all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import tests.faults.injections  # noqa: F401 (fills the table of faults)
from tests.faults.__main__ import all_of_them
from tests.faults.fault import FAULTS, Fault
from tests.faults.rig import Places
from tests.faults.trial import attempt

SEED = 20_250
"""Changed when somebody finds a better one; ``python -m tests.faults --seed`` repeats a trial."""

EVERY_TIME = ("F07", "F13", "F01", "F02", "F03", "F05", "F10", "F28", "F30", "F33", "S1", "S4")
"""The longest first."""


def sentence(fault: Fault) -> str:
    return f"{fault.key}: {fault.what}"


@pytest.mark.parametrize("fault", [FAULTS[key] for key in EVERY_TIME], ids=sentence)
async def test_nothing_is_lost_doubled_disordered_or_left_behind_when(
    fault: Fault, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if fault.own_broker:
        broker = request.getfixturevalue("own_broker")
        vhost = broker.create_vhost()
    else:
        broker, vhost = request.getfixturevalue("broker"), request.getfixturevalue("vhost")
    own_store = request.getfixturevalue("own_store") if fault.own_store else None
    store_url = own_store.url if own_store else request.getfixturevalue("store_url")
    report = await attempt(fault, Places(broker, vhost, store_url, own_store), SEED, tmp_path)
    assert report.passed, report.details()
    assert report.published > 20
    assert report.delivered > report.published, "there are several subscribers"
    assert report.begun or not fault.layout.newcomers


def test_a_run_has_all_faults_and_a_short_one_all_but_the_long_ones() -> None:
    assert all_of_them(short=False) == list(FAULTS)
    assert set(FAULTS) - set(all_of_them(short=True)) == {key for key, fault in FAULTS.items() if fault.long} != set()


def test_every_fault_of_the_short_run_is_in_the_table_and_none_of_them_is_long() -> None:
    assert set(EVERY_TIME) <= set(FAULTS)
    assert not [key for key in EVERY_TIME if FAULTS[key].long]
