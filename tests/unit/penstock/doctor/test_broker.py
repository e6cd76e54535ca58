"""What the doctor says of what it found at a broker."""

import pytest

from penstock.doctor.broker import broker, plugin, shape, version
from penstock.doctor.verdict import Level
from shared.bus.amqp_inspection import Finding, Found, Identity
from tests.support.ports import free_port


@pytest.mark.parametrize(
    ("number", "level"),
    [
        ("3.9.29", Level.FAIL),
        ("3.10.8", Level.WARN),
        ("3.13.7", Level.WARN),
        ("4.0.5", Level.OK),
        ("4.3.0-rc.1", Level.OK),
    ],
)
def test_a_broker_is_judged_by_its_version(number, level):
    verdict = version(Identity("RabbitMQ", number), "localhost:5672")
    assert verdict.level is level
    assert number in verdict.found


def test_another_product_is_no_failure_but_told():
    assert version(Identity("LavinMQ", "2.1"), "x").level is Level.WARN


def test_a_missing_plugin_is_told_with_the_command():
    assert plugin(True).level is Level.OK
    assert "rabbitmq-plugins enable rabbitmq_sharding" in plugin(False).mend


def found(*kinds):
    return [Finding(f"thing.{number}", "queue", kind) for number, kind in enumerate(kinds)]


def test_nothing_there_yet_is_fine_and_something_missing_is_told():
    assert shape(found(Found.MISSING, Found.MISSING)).level is Level.OK
    verdict = shape(found(Found.THERE, Found.MISSING))
    assert (verdict.level, "thing.1" in verdict.found) == (Level.WARN, True)


def test_another_shape_fails():
    verdict = shape(found(Found.THERE, Found.DIFFERENT, Found.MISSING))
    assert (verdict.level, "thing.1" in verdict.found) == (Level.FAIL, True)


async def test_without_a_broker_there_is_nothing_to_judge_in_development():
    (verdict,) = await broker(None)
    assert verdict.level is Level.OK


async def test_in_production_there_must_be_a_broker():
    (verdict,) = await broker(None, production=True)
    assert (verdict.level, "PENSTOCK_AMQP_URL" in verdict.mend) == (Level.FAIL, True)


async def test_a_broker_that_is_not_there_fails_without_its_password():
    (verdict,) = await broker(f"amqp://user:canary@127.0.0.1:{free_port()}/")
    assert verdict.level is Level.FAIL
    assert "canary" not in repr(verdict)
    assert "Start RabbitMQ" in verdict.mend


async def test_a_url_that_is_none_fails_without_its_password():
    (verdict,) = await broker("http://user:canary@x/")
    assert verdict.level is Level.FAIL
    assert "canary" not in repr(verdict)
