"""What the doctor says of a store."""

from penstock.doctor.examination import store
from penstock.doctor.verdict import Level
from tests.support.ports import free_port


async def test_without_a_url_there_is_none_to_judge_in_development():
    assert (await store(None)).level is Level.OK


async def test_in_production_there_must_be_a_store():
    verdict = await store(None, production=True)
    assert (verdict.level, "PENSTOCK_STORE_URL" in verdict.mend) == (Level.FAIL, True)


async def test_a_url_that_cannot_be_read_fails():
    verdict = await store("redis://")
    assert (verdict.level, "names no host" in verdict.found) == (Level.FAIL, True)


async def test_a_store_that_nobody_answers_for_fails_without_its_password():
    port = free_port()
    verdict = await store(f"redis://ada:canary@127.0.0.1:{port}")
    assert verdict.level is Level.FAIL
    assert f"127.0.0.1:{port}" in verdict.found
    assert "canary" not in verdict.found


async def test_a_store_that_answers_is_well(store_url):
    assert (await store(store_url)).level is Level.OK
