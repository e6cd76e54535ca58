"""Who is next, and that an innocent message never dies with a culprit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from router.doubt import MAX_BEGUN, MAX_RETURNS, Doubt, identity
from router.line import Line
from shared.bus.port import RETURNS_UNTIL_DOUBT
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


def test_where_nobody_counts_attempts_no_message_is_condemned_while_it_may_be_another():
    doubt = Doubt()
    first, second, other = (replace(message(returns=MAX_RETURNS), tag=tag) for tag in (1, 2, 3))
    other.queue = QUEUES[1]
    for each in (first, second, other):
        doubt.note(each)
    assert not doubt.verdict(first, 1, None), "there is a rival"
    assert not doubt.verdict(second, 0, None), "it was not begun when the first was not done"
    assert doubt.verdict(other, 0, None)
    doubt.note(again := replace(message(returns=MAX_RETURNS + 1), tag=4))
    assert doubt.verdict(again, 0, None)


def test_a_suspect_casts_no_doubt_on_a_message_of_another_channel_that_has_its_tag():
    doubt = Doubt()
    suspect, behind, innocent = (replace(message(returns=MAX_RETURNS), tag=tag) for tag in (1, 2, 1))
    innocent.queue = behind.queue = QUEUES[1]
    for each in (suspect, behind, innocent):  # of its queue the innocent one is not the first that came back
        doubt.note(each)
    assert not doubt.verdict(innocent, 0, None)
    assert doubt.verdict(suspect, 0, None)


def test_what_counts_is_how_often_it_was_begun_and_not_how_often_it_came_back():
    doubt = Doubt()
    doubt.note(often := replace(message(returns=MAX_RETURNS - 1), tag=1))
    assert not doubt.verdict(often, 0, MAX_BEGUN)
    condemned = doubt.verdict(often, 0, MAX_BEGUN + 1)
    assert condemned
    assert condemned.detail.startswith("5 times a router began to work on it alone")


def test_where_there_are_many_culprits_each_has_fewer_attempts_and_an_innocent_one_has_some():
    doubt = Doubt()
    doubt.note(late := replace(message(returns=MAX_RETURNS + 30), tag=1))
    assert not doubt.verdict(late, 0, 2)
    assert doubt.verdict(late, 0, 3)


def test_messages_that_differ_in_anything_that_a_router_works_on_are_told_apart():
    one = event("a", b"1", message_id="m")
    others = [
        event("b", b"1", message_id="m"),
        event("a", b"2", message_id="m"),
        event("a", b"1", message_id="n"),
        event("a", b"1"),
        event("a", b"1", message_id="m", content_type="application/msgpack"),
        replace(one, exchange="other"),
    ]
    assert len({identity(one), *map(identity, others)}) == 7
    assert identity(one) == identity(replace(one, tag=9, queue=QUEUES[3], redelivered=True))


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
    assert routers == RETURNS_UNTIL_DOUBT + MAX_BEGUN + 1


@given(lengths, places, st.integers(1, 60))
def test_routers_that_die_before_they_began_anything_condemn_nobody(lengths, place, deaths):
    _, condemned, _ = worked_off(lengths, [place], returns=deaths)
    assert [each["deadly"] for each in condemned] == [True]


@given(st.lists(st.integers(1, 10), min_size=1, max_size=5), st.lists(places, min_size=2, max_size=20))
def test_many_such_messages_die_alone_before_the_broker_gives_everything_up(lengths, places):
    _, condemned, culprits = worked_off(lengths, places)
    assert len(condemned) == culprits
    assert all(each["deadly"] for each in condemned)


@given(lengths, places)
def test_where_nobody_counts_attempts_it_dies_alone_too_and_later(lengths, place):
    routers, condemned, _ = worked_off(lengths, [place], counted=False)
    assert [each["deadly"] for each in condemned] == [True]
    assert routers == MAX_RETURNS + 1


@given(lengths, st.lists(places, min_size=2, max_size=3))
def test_where_nobody_counts_attempts_several_die_before_the_broker_gives_everything_up(lengths, places):
    _, condemned, culprits = worked_off(lengths, places, counted=False)
    innocent = [each for each in condemned if not each["deadly"]]
    assert len(condemned) - len(innocent) == culprits
    assert len(innocent) <= len(lengths) * culprits


def worked_off(lengths, places, *, returns=0, counted=True):
    """Let one router after the other work on queues so long, in which some messages kill them, until all is done."""
    deadly = {(queue % len(lengths), place % lengths[queue % len(lengths)]) for queue, place in places}
    left = {
        name: [{"returns": returns, "number": at, "deadly": (number, at) in deadly} for at in range(length)]
        for number, (name, length) in enumerate(zip(QUEUES, lengths, strict=False))
    }
    done = {name: [] for name in left}
    condemned = []
    routers = 0
    begun = {} if counted else None
    while any(left.values()):
        routers += 1
        work(left, done, condemned, begun)
        assert all(each["returns"] <= ROUTE_DELIVERIES for column in left.values() for each in column)
    for column in done.values():
        assert column == sorted(column)
    return routers, condemned, len(deadly)


def attempt(begun, received):
    """Note that work on a doubtful message begins, as the store does; return how often it has."""
    if begun is None or not received.doubtful:
        return None
    numbers = begun.setdefault(id(received.body), set())
    numbers.add(received.returns)
    return len(numbers)


def work(left, done, condemned, begun):
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
            attempts = attempt(begun, received)
            if received.doubtful and doubt.verdict(received, line.rivals, attempts):
                condemned.append(received.body)
            elif received.body["deadly"]:
                break
            else:
                done[received.queue].append(received.body["number"])
                if begun:
                    begun.pop(id(received.body), None)
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
