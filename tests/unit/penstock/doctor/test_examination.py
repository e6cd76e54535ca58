"""What the doctor makes of the settings as a whole."""

from penstock.doctor.examination import examine
from penstock.doctor.verdict import Level


async def levels():
    return {verdict.subject: verdict.level for verdict in await examine(None)}


async def test_nothing_set_is_well_in_development_and_fails_in_production(monkeypatch):
    monkeypatch.setenv("PENSTOCK_PORT", "0")
    found = await levels()
    assert (found["broker"], found["store"]) == (Level.OK, Level.OK)
    monkeypatch.setenv("PENSTOCK_ENVIRONMENT", "production")
    found = await levels()
    assert (found["broker"], found["store"]) == (Level.FAIL, Level.FAIL)
