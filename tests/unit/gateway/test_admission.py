from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import Admission, AdmissionLimits, Verdict


def admission(connections: int = 10, unauthenticated: int = 10, per_address: int = 10, per_user: int = 10) -> Admission:
    return Admission(AdmissionLimits(connections, unauthenticated, per_address, per_user))


def test_the_connection_that_is_one_too_many_is_turned_away_until_one_leaves() -> None:
    door = admission(connections=2)
    assert [door.enter("192.0.2.1"), door.enter("192.0.2.2")] == [Verdict.ADMITTED] * 2
    assert door.enter("192.0.2.3") is Verdict.FULL
    door.leave("192.0.2.1", None)
    assert door.enter("192.0.2.3") is Verdict.ADMITTED


def test_one_address_cannot_take_more_than_its_share() -> None:
    door = admission(per_address=2)
    assert [door.enter("192.0.2.1") for _ in range(3)] == [Verdict.ADMITTED, Verdict.ADMITTED, Verdict.ADDRESS]
    assert door.enter("192.0.2.2") is Verdict.ADMITTED


def test_an_ipv6_client_is_counted_by_its_network() -> None:
    door = admission(per_address=1)
    assert door.enter("2001:db8::1") is Verdict.ADMITTED
    assert door.enter("2001:db8::ffff:2") is Verdict.ADDRESS
    assert door.enter("2001:db8:0:1::1") is Verdict.ADMITTED
    door.leave("2001:db8::1", None)
    assert door.enter("2001:db8::3") is Verdict.ADMITTED


def test_those_who_do_not_say_who_they_are_cannot_fill_the_house() -> None:
    door = admission(unauthenticated=1)
    assert door.enter("192.0.2.1") is Verdict.ADMITTED
    assert door.enter("192.0.2.2") is Verdict.CROWDED
    assert door.identify("alice")
    assert door.enter("192.0.2.2") is Verdict.ADMITTED


def test_one_user_cannot_have_more_than_its_share_and_keeps_none_that_was_refused() -> None:
    door = admission(per_user=1)
    door.enter("192.0.2.1")
    door.enter("192.0.2.1")
    assert door.identify("alice")
    assert not door.identify("alice")
    assert door.unauthenticated == 1
    door.leave("192.0.2.1", None)
    assert not door.identify("alice")
    door.leave("192.0.2.1", "alice")
    door.enter("192.0.2.1")
    assert door.identify("alice")


def test_who_was_turned_away_is_not_counted() -> None:
    door = admission(connections=1)
    door.enter("192.0.2.1")
    door.enter("192.0.2.2")
    door.leave("192.0.2.1", None)
    assert (door.connections, door.unauthenticated, door._addresses, door._users) == (0, 0, {}, {})


@given(st.lists(st.tuples(st.sampled_from(["enter", "identify", "leave"]), st.integers(0, 2)), max_size=60))
def test_whatever_happens_the_counts_are_those_of_who_is_there(steps: list[tuple[str, int]]) -> None:
    door, inside = admission(4, 3, 2, 1), list[tuple[str, str | None]]()
    for step, number in steps:
        if step == "enter" and door.enter(f"192.0.2.{number}") is Verdict.ADMITTED:
            inside.append((f"192.0.2.{number}", None))
        elif step == "identify" and any(user is None for _, user in inside) and door.identify(f"u{number}"):
            place = [user for _, user in inside].index(None)
            inside[place] = (inside[place][0], f"u{number}")
        elif step == "leave" and inside:
            door.leave(*inside.pop(0))
        assert door.connections == len(inside) <= 4
        assert door.unauthenticated == sum(user is None for _, user in inside) <= 3
        assert sum(door._addresses.values()) == len(inside)
        assert all(count <= 2 for count in door._addresses.values())
        assert all(count <= 1 for count in door._users.values())
