"""Following a client's state."""

from penstock_client import State
from penstock_client.watch import BACKLOG, Watchers


async def test_a_watcher_far_behind_loses_the_oldest_and_never_the_latest():
    watchers = Watchers()
    states = watchers.states()
    assert await anext(states) is State.IDLE
    for _ in range(BACKLOG):
        watchers.tell(State.CONNECTING)
        watchers.tell(State.WAITING)
    watchers.tell(State.CLOSED)
    seen = [state async for state in states]
    assert len(seen) == BACKLOG
    assert seen[-2:] == [State.WAITING, State.CLOSED]


async def test_a_late_watcher_begins_with_the_present():
    watchers = Watchers()
    watchers.tell(State.CONNECTING)
    watchers.tell(State.CLOSED)
    assert [state async for state in watchers.states()] == [State.CLOSED]
