"""The life of a session."""

from itertools import product

import pytest

from gateway.states import TRANSITIONS, Event, IllegalTransition, State, after

LEGAL = {
    (State.OPENED, Event.CONNECT): State.AUTHENTICATING,
    (State.AUTHENTICATING, Event.REQUEST): State.AUTHENTICATING,
    (State.AUTHENTICATING, Event.GRANTED): State.ACTIVE,
    (State.ACTIVE, Event.REQUEST): State.ACTIVE,
    (State.OPENED, Event.END): State.ENDED,
    (State.AUTHENTICATING, Event.END): State.ENDED,
    (State.ACTIVE, Event.END): State.ENDED,
}


def test_the_table_is_the_one_that_the_drawing_shows() -> None:
    assert TRANSITIONS == LEGAL


@pytest.mark.parametrize(("state", "event"), [pair for pair in product(State, Event) if pair not in LEGAL])
def test_whatever_the_table_does_not_name_is_refused_and_says_so(state: State, event: Event) -> None:
    with pytest.raises(IllegalTransition, match=f"{event.value} is not possible while {state.value}") as refusal:
        after(state, event)
    assert (refusal.value.state, refusal.value.event) == (state, event)


@pytest.mark.parametrize(("state", "event"), LEGAL)
def test_whatever_the_table_names_leads_where_it_says(state: State, event: Event) -> None:
    assert after(state, event) is LEGAL[state, event]


def test_an_ended_session_stays_ended() -> None:
    assert not [event for state, event in TRANSITIONS if state is State.ENDED]
