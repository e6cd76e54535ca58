"""Whether the broker has what was acknowledged: asked once at a time, and never believed of what it was not asked."""

import asyncio

from router.proof import Proof
from tests.support.eventually import eventually


class Consumption:
    """Answers when it is told to."""

    def __init__(self):
        self.asked = []
        self.answers = []

    async def flush(self, received):
        self.asked.append(received)
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    async def answer(self, number, said=True):
        await eventually(lambda: len(self.answers) >= number)
        self.answers[number - 1].set_result(said)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def asking():
    def failed(fault):
        raise fault

    return Proof(failed)


async def test_nothing_is_known_of_what_was_not_asked():
    assert await asking().wait() is None


async def test_a_yes_is_one_and_a_no_is_one():
    for said in (True, False):
        proof, consumption = asking(), Consumption()
        proof.need("1", consumption)
        await consumption.answer(1, said)
        assert await proof.wait() is said
        assert await proof.wait() is None


async def test_who_waits_does_so_for_a_while_and_may_look_again():
    proof, consumption = asking(), Consumption()
    proof.need("1", consumption)
    assert await proof.wait(0.001) is None
    await consumption.answer(1)
    assert await proof.wait() is True


async def test_what_is_acknowledged_while_it_is_asked_is_asked_next_and_only_then_all_is_known():
    proof, consumption = asking(), Consumption()
    proof.need("1", consumption)
    await eventually(lambda: consumption.asked == ["1"])
    proof.need("2", consumption)
    proof.need("3", consumption)
    await consumption.answer(1)
    assert await proof.wait(0.001) is None
    assert consumption.asked == ["1", "3"]
    await consumption.answer(2)
    assert await proof.wait() is True


async def test_a_yes_that_nobody_has_heard_says_nothing_of_what_is_acknowledged_after_it():
    proof, consumption = asking(), Consumption()
    proof.need("1", consumption)
    await consumption.answer(1)
    proof.need("2", consumption)
    assert await proof.wait(0.001) is None
    await consumption.answer(2)
    assert await proof.wait() is True


async def test_a_no_that_nobody_has_heard_stays_one():
    proof, consumption = asking(), Consumption()
    proof.need("1", consumption)
    await consumption.answer(1, said=False)
    proof.need("2", consumption)
    assert await proof.wait() is False


async def test_each_consumption_is_asked():
    proof, one, other = asking(), Consumption(), Consumption()
    proof.need("1", one)
    await eventually(lambda: one.asked)
    proof.need("2", other)
    await one.answer(1)
    assert await proof.wait(0.001) is None
    await other.answer(1, said=False)
    assert await proof.wait() is False


async def test_what_is_dropped_is_asked_no_more_and_its_answer_is_none():
    proof, consumption = asking(), Consumption()
    proof.need("1", consumption)
    await eventually(lambda: consumption.asked)
    proof.need("2", consumption)
    proof.drop()
    await eventually(consumption.answers[0].cancelled)
    assert await proof.wait() is None
    proof.need("3", consumption)
    await eventually(lambda: consumption.asked[-1] == "3")
    assert "2" not in consumption.asked
    await consumption.answer(2)
    assert await proof.wait() is True


async def test_a_question_that_fails_for_no_known_reason_is_a_no_and_is_told():
    faults = []
    proof, consumption = Proof(faults.append), Consumption()
    proof.need("1", consumption)
    await eventually(lambda: consumption.answers)
    consumption.answers[0].set_exception(fault := RuntimeError("a bug"))
    assert await proof.wait() is False
    assert faults == [fault]
