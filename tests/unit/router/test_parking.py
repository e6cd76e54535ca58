from router.parking import Parking
from router.plan import Asker, Parked, Plan
from shared.envelopes import ConnectRequest
from tests.unit.router.builders import NOW


def parked(*numbers):
    return [Parked(Asker("gw", []), ConnectRequest(number, 1, "t", "::1")) for number in numbers]


def plan_with(*numbers):
    plan = Plan(NOW)
    plan.parked = parked(*numbers)
    return plan


def test_who_finds_a_place_waits_and_the_others_are_told_when_to_come_again():
    parking, plan = Parking(2), plan_with(1, 2, 3)
    parking.take(plan)
    assert (len(parking), parking.turned_away) == (2, 1)
    [refused] = plan.replies["gw"]
    assert (refused.session, refused.code, refused.retry_after) == (3, "unavailable", 1.0)


def test_places_that_others_have_taken_earlier_are_taken():
    parking = Parking(2)
    for number in (1, 2, 3):
        parking.take(plan_with(number))
    assert (len(parking), parking.turned_away) == (2, 1)


def test_places_are_free_again_once_all_have_left():
    parking = Parking(1)
    parking.take(plan_with(1))
    assert [each.request.session for each in parking.leave()] == [1]
    plan = plan_with(2)
    parking.take(plan)
    assert (len(parking), plan.replies) == (1, {})


def test_a_stop_sends_all_away_with_an_answer():
    parking, plan = Parking(5), Plan(NOW)
    parking.take(plan_with(1, 2))
    parking.dismiss(plan)
    assert [reply.code for reply in plan.replies["gw"]] == ["unavailable", "unavailable"]
    assert len(parking) == 0
