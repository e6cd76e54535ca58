from hypothesis import given
from hypothesis import strategies as st

from router.limits import UNLIMITED, Limits, Rate
from router.rules import Rules
from router.settings import TopicRule

name = st.text("ab.-_:", min_size=1, max_size=4)
publisher = st.tuples(name, st.integers(0, 3), name, name)
RULE = Rules([TopicRule(match="#", publish_rate=3, publish_burst=7)]).of("a")


def limits():
    return Limits(Rate(5, 10), Rate(50, 100))


def test_a_publish_keeps_the_rates_of_its_connection_its_user_and_its_user_on_its_topic():
    connection, user, topic = limits().of("gateway", 7, "ada", "orders.1", RULE).limits
    assert (connection.key, connection.rate, connection.burst) == (("connection", "gateway", 7), 5, 10)
    assert (user.key, user.rate, user.burst) == (("user", "ada"), 50, 100)
    assert (topic.key, topic.rate, topic.burst) == (("topic", "ada", "orders.1"), 3, 7)


def test_an_event_keeps_none():
    assert UNLIMITED.limits == ()


@given(publisher, publisher)
def test_two_publishers_share_a_key_only_where_they_share_what_it_stands_for(one, other):
    mine, theirs = ({limit.key for limit in limits().of(*each, RULE).limits} for each in (one, other))
    shared = mine & theirs
    assert (one[:2] == other[:2]) == any(key[0] == "connection" for key in shared)
    assert (one[2] == other[2]) == any(key[0] == "user" for key in shared)
    assert (one[2:] == other[2:]) == any(key[0] == "topic" for key in shared)


def test_the_memory_of_commands_is_bounded():
    assert limits().of.cache_info().maxsize is not None
