"""What is news about the queues."""

from shared.bus.topology import DEAD, ROUTE_MESSAGES
from workers.housekeeping.verdicts import ROUTES, WATCHED, Seen, Trouble, Watch


def sight(dead=0, **changed):
    """All queues in order, but for those named (``route_3=Seen(…)``)."""
    seen = {queue: Seen(0, 1) for queue in WATCHED} | {DEAD: Seen(dead, 0)}
    return seen | {f"penstock.{name.replace('_', '.')}": value for name, value in changed.items()}


def events(news):
    return [piece.event for piece in news]


def test_queues_in_order_are_no_news():
    watch = Watch()
    assert watch.look(sight()) == []
    assert watch.look(sight()) == []


def test_dead_letters_are_told_when_they_grow_and_only_then():
    watch = Watch()
    assert events(watch.look(sight(dead=2))) == ["dead_letters.grew"]
    assert watch.look(sight(dead=2)) == []
    assert watch.look(sight(dead=1)) == []
    (news,) = watch.look(sight(dead=4))
    assert news.message.startswith("4 dead letters in penstock.dead, 3 more than before")
    assert not news.good


def test_a_route_queue_without_a_consumer_is_told_at_the_second_look_and_once():
    watch = Watch()
    lonely = sight(route_3=Seen(5, 0))
    assert watch.look(lonely) == []
    (news,) = watch.look(lonely)
    assert news.event == "queues.no_consumer"
    assert news.message.startswith("no router works on penstock.route.3; ")
    assert watch.look(lonely) == []


def test_a_consumer_that_comes_back_in_between_starts_the_count_again():
    watch = Watch()
    for seen in (sight(route_3=Seen(5, 0)), sight(), sight(route_3=Seen(5, 0))):
        assert watch.look(seen) == []


def test_sixteen_lonely_partitions_are_one_piece_of_news():
    watch = Watch()
    lonely = {queue: Seen(0, 0) for queue in WATCHED}
    watch.look(lonely)
    (news,) = watch.look(lonely)
    assert all(queue in news.message for queue in ROUTES)
    assert watch.troubled[Trouble.NO_CONSUMER] == frozenset(ROUTES)


def test_the_end_of_a_trouble_is_good_news():
    watch = Watch()
    watch.look(sight(route_3=Seen(0, 0)))
    watch.look(sight(route_3=Seen(0, 0)))
    (news,) = watch.look(sight())
    assert (news.event, news.good) == ("queues.no_consumer.over", True)


def test_a_trouble_that_shrinks_is_good_and_one_that_spreads_is_not():
    watch = Watch(nearly_full=0.5)
    full = Seen(ROUTE_MESSAGES, 1)
    watch.look(sight(route_1=full, route_2=full))
    (shrunk,) = watch.look(sight(route_1=full))
    assert shrunk.good
    (spread,) = watch.look(sight(route_1=full, route_9=full))
    assert not spread.good


def test_a_route_queue_is_nearly_full_at_its_threshold_and_not_below():
    threshold = int(0.8 * ROUTE_MESSAGES)
    assert Watch().look(sight(route_0=Seen(threshold - 1, 1))) == []
    assert events(Watch().look(sight(route_0=Seen(threshold, 1)))) == ["queues.nearly_full"]


def test_a_queue_at_its_threshold_does_not_flap():
    watch = Watch()
    threshold = int(0.8 * ROUTE_MESSAGES)
    watch.look(sight(route_0=Seen(threshold, 1)))
    assert watch.look(sight(route_0=Seen(threshold - 1, 1))) == []
    assert watch.look(sight(route_0=Seen(int(0.7 * ROUTE_MESSAGES), 1))) == []
    assert events(watch.look(sight(route_0=Seen(int(0.7 * ROUTE_MESSAGES) - 1, 1)))) == ["queues.nearly_full.over"]


def test_dead_letters_make_no_queue_nearly_full():
    assert events(Watch().look(sight(dead=ROUTE_MESSAGES))) == ["dead_letters.grew"]


def test_a_queue_that_is_gone_is_told():
    (news,) = Watch().look(sight(route_4=None))
    assert news.event == "queues.missing"
    assert "penstock topology apply" in news.message
