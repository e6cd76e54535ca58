"""Who is next, and that an innocent message never dies with a culprit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from router.doubt import MAX_RETURNS, Doubt
from router.line import Line
from shared.bus.topology import ROUTE_DELIVERIES
from shared.envelopes import MAX_BYTES, MAX_ITEMS
from tests.unit.router.builders import event

QUEUES = [f"penstock.route.{number}" for number in range(16)]


def message(body=b"1", queue=QUEUES[0], returns=0):
    headers = {"x-delivery-count": returns} if returns else {}
    return replace(event("a", body, headers=headers), queue=queue, redelivered=returns > 0)


def line_of(messages):
    line = Line()
    for each in messages:
        line.put(each)
    return line


def turns(line):
    taken = []
    while line:
        taken.append(line.take())
    return taken


def test_a_turn_is_what_fits_or_a_larger_one_alone():
    half, whole = message(bytes(MAX_BYTES // 2)), message(bytes(2 * MAX_BYTES))
    small = message()
    assert [len(turn) for turn in turns(line_of([half, half, small, whole, small]))] == [2, 1, 1, 1]
    assert [len(turn) for turn in turns(line_of([small] * (MAX_ITEMS + 3)))] == [MAX_ITEMS, 3]


def test_a_message_that_came_back_once_shares_its_turn_and_one_that_came_back_twice_does_not():
    assert [len(turn) for turn in turns(line_of(message(returns=1) for _ in range(3)))] == [3]
    assert [len(turn) for turn in turns(line_of(message(returns=2) for _ in range(3)))] == [1, 1, 1]


def test_what_is_beyond_doubt_and_what_is_not_take_turns():
    doubtful = [message(b"d", queue, 2) for queue in QUEUES[:3]]
    plain = [message(b"p", QUEUES[4]) for _ in range(2 * MAX_ITEMS)]
    bodies = [b"".join({each.body for each in turn}) for turn in turns(line_of(doubtful + plain))]
    assert bodies == [b"p", b"d", b"p", b"d", b"d"]


def test_what_came_back_more_often_is_first_and_of_those_that_are_level_others_are_first_the_next_time():
    def order(*returns):
        line = line_of(message(queue, queue, count) for queue, count in zip(QUEUES, returns, strict=False))
        return [(QUEUES.index(line.take()[0].body), line.rivals) for _ in returns]

    assert order(2, 4, 3) == [(1, 0), (2, 0), (0, 0)]
    assert order(2, 2, 2) == [(0, 2), (1, 1), (2, 0)]
    assert order(3, 3, 3) == [(2, 2), (1, 1), (0, 0)]


def test_nobody_is_condemned_while_it_may_be_another():
    doubt = Doubt()
    first, second, other = (replace(message(returns=5), tag=tag) for tag in (1, 2, 3))
    other.queue = QUEUES[1]
    for each in (first, second, other):
        doubt.note(each)
    assert not doubt.condemns(first, rivals=1), "there is a rival"
    assert not doubt.condemns(second, rivals=0), "it was not begun when the first was not done"
    assert doubt.condemns(other, rivals=0)
    doubt.note(again := replace(message(returns=6), tag=4))
    assert doubt.condemns(again, rivals=0)


def test_what_is_put_back_comes_first_and_doubt_is_not_forgotten():
    line = line_of([message(b"3")])
    line.put_back([message(b"1"), message(b"2", returns=2)])
    assert line.doubtful == 1
    assert [[each.body for each in turn] for turn in turns(line)] == [[b"1"], [b"2"], [b"3"]]
    line.put(message(returns=3))
    line.clear()
    assert (len(line), line.doubtful) == (0, 0)


some = st.builds(message, st.binary(max_size=2), st.sampled_from(QUEUES[:3]), st.integers(0, 4))


@given(st.lists(some, max_size=20))
def test_every_message_has_its_turn_and_each_queue_keeps_its_order(messages):
    taken = [each for turn in turns(line_of(messages)) for each in turn]
    assert len(taken) == len(messages)
    for queue in QUEUES:
        mine = [each for each in messages if each.queue == queue]
        assert all(
            one is other for one, other in zip(mine, (each for each in taken if each.queue == queue), strict=True)
        )


PREFETCH = 4


lengths = st.lists(st.integers(1, 10), min_size=1, max_size=5)
places = st.tuples(st.integers(0, 4), st.integers(0, 9))


@given(lengths, places)
def test_a_message_that_kills_whoever_works_on_it_dies_alone_and_the_others_keep_their_order(lengths, place):
    routers, condemned, _ = worked_off(lengths, [place])
    assert [each["deadly"] for each in condemned] == [True]
    assert routers == MAX_RETURNS + 1


@given(lengths, st.lists(places, min_size=2, max_size=3))
def test_several_such_messages_die_before_the_broker_gives_everything_up(lengths, places):
    _, condemned, culprits = worked_off(lengths, places)
    innocent = [each for each in condemned if not each["deadly"]]
    assert len(condemned) - len(innocent) == culprits
    assert len(innocent) <= len(lengths) * culprits


def worked_off(lengths, places):
    """Let one router after the other work on queues so long, in which some messages kill them, until all is done."""
    deadly = {(queue % len(lengths), place % lengths[queue % len(lengths)]) for queue, place in places}
    left = {
        name: [{"returns": 0, "number": at, "deadly": (number, at) in deadly} for at in range(length)]
        for number, (name, length) in enumerate(zip(QUEUES, lengths, strict=False))
    }
    done = {name: [] for name in left}
    condemned = []
    routers = 0
    while any(left.values()):
        routers += 1
        work(left, done, condemned)
        assert all(each["returns"] <= ROUTE_DELIVERIES for column in left.values() for each in column)
    for column in done.values():
        assert column == sorted(column)
    return routers, condemned, len(deadly)


def work(left, done, condemned):
    """Let a router work until it has died, giving back what it has in hand, or nothing is left."""
    line, doubt = Line(), Doubt()
    in_hand = {name: [] for name in left}

    def fetch():
        for name, column in left.items():
            for each in column[len(in_hand[name]) : PREFETCH]:
                received = message(queue=name, returns=each["returns"])
                received.body = each
                received.tag = id(each)
                doubt.note(received)
                in_hand[name].append(each)
                line.put(received)

    fetch()
    while line:
        for received in (turn := line.take()):
            if received.doubtful and doubt.condemns(received, line.rivals):
                condemned.append(received.body)
            elif received.body["deadly"]:
                break
            else:
                done[received.queue].append(received.body["number"])
        else:
            for received in turn:
                left[received.queue].remove(received.body)
                in_hand[received.queue].remove(received.body)
            fetch()
            continue
        for each in turn[: turn.index(received)]:
            done[each.queue].pop()  # it is not acknowledged: it comes again, and a gateway knows it by its offset
        for several in in_hand.values():
            for each in several:
                each["returns"] += 1
        return
