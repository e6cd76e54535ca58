"""Settings read, buses and stores made."""

import pytest

from gateway.settings import GatewaySettings
from penstock.composition import OpenStore, load, make_bus, make_store
from router.settings import RouterSettings
from shared.bus.amqp import AmqpBus
from shared.bus.memory import MemoryBroker, MemoryBus
from shared.errors import ConfigurationError, StoreAway
from shared.settings import CommonSettings
from shared.store.memory import MemoryStore
from shared.store.valkey import ValkeyStore

SECRET = "x" * 32


def test_options_go_before_the_environment(monkeypatch):
    monkeypatch.setenv("PENSTOCK_PORT", "9000")
    assert load(GatewaySettings).port == 9000
    assert load(GatewaySettings, {"port": 9001}).port == 9001
    assert load(GatewaySettings, {"port": None}).port == 9000


def test_an_option_of_another_program_does_no_harm():
    assert load(RouterSettings, {"port": 9001, "store_url": None}).store_url is None


def test_a_wrong_variable_is_told_by_its_name(monkeypatch):
    monkeypatch.setenv("PENSTOCK_PORT", "many")
    with pytest.raises(ConfigurationError, match=r"^PENSTOCK_PORT: .*integer"):
        load(GatewaySettings)


def test_a_wrong_nested_variable_is_told_by_its_name(monkeypatch):
    monkeypatch.setenv("PENSTOCK_GATEWAY__MAX_CONNECTIONS", "0")
    with pytest.raises(ConfigurationError, match=r"^PENSTOCK_GATEWAY__MAX_CONNECTIONS: "):
        load(GatewaySettings)


def test_a_wrong_key_of_the_file_is_told_with_the_file(clean_place):
    (clean_place / "penstock.toml").write_text("[gateway]\nheartbeat = -1\n")
    with pytest.raises(ConfigurationError, match=r"^gateway\.heartbeat in penstock\.toml: "):
        load(GatewaySettings)


def test_a_wrong_option_is_told_as_an_option():
    with pytest.raises(ConfigurationError, match=r"^--port: "):
        load(GatewaySettings, {"port": 70_000})


def test_a_network_that_is_none_is_told_in_words(monkeypatch):
    monkeypatch.setenv("PENSTOCK_TRUSTED_PROXIES", "10.0.0.0/8, nonsense")
    with pytest.raises(ConfigurationError) as refused:
        load(GatewaySettings)
    assert str(refused.value) == "PENSTOCK_TRUSTED_PROXIES: 'nonsense' is no network such as 10.0.0.0/8."


def test_an_address_with_a_prefix_is_told_why_it_is_no_network(monkeypatch):
    monkeypatch.setenv("PENSTOCK_TRUSTED_PROXIES", "10.0.0.7/8")
    with pytest.raises(ConfigurationError, match=r"'10\.0\.0\.7/8' .*; the bits after the prefix must be 0\.$"):
        load(GatewaySettings)


def test_a_wrong_item_of_a_list_is_told_by_its_place(monkeypatch):
    monkeypatch.setenv("PENSTOCK_TOPICS", '[{"match": "#"}, {"match": "a", "slow": "never"}]')
    with pytest.raises(ConfigurationError, match=r"^PENSTOCK_TOPICS, item 1, slow: Input should be 'disconnect'"):
        load(RouterSettings)


def test_a_wrong_item_in_the_file_is_told_with_the_file(clean_place):
    (clean_place / "penstock.toml").write_text('[[topics]]\nmatch = "a"\nslow = "never"\n')
    with pytest.raises(ConfigurationError, match=r"^topics, item 0, slow in penstock\.toml: "):
        load(RouterSettings)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[[topics]]\nmatch = "a"\n[[topics]]\nmatch = "b"\npresense = true\n',
            "Nobody reads topics, item 1, presense in penstock.toml; did you mean presence?",
        ),
        ("[auth]\nsecrt = 'x'\n", "Nobody reads auth.secrt in penstock.toml; did you mean auth.secret?"),
        ("[auth]\nzzz = 'x'\n", "Nobody reads auth.zzz in penstock.toml."),
        ('[topics]\nmatch = "a"\n', "topics in penstock.toml: it is a list of tables: write [[topics]]."),
    ],
)
def test_a_slip_in_the_file_is_told_with_what_was_meant(clean_place, text, sentence):
    (clean_place / "penstock.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load(RouterSettings)
    assert str(refused.value) == sentence


def test_a_slip_in_a_variable_is_told_with_what_was_meant(monkeypatch):
    monkeypatch.setenv("PENSTOCK_AUTH__SECRT", "x")
    with pytest.raises(ConfigurationError) as refused:
        load(RouterSettings)
    assert str(refused.value) == "Nobody reads the variable PENSTOCK_AUTH__SECRT; did you mean PENSTOCK_AUTH__SECRET?"


def test_one_rule_in_a_variable_where_a_list_is_needed_is_told_how_to_write_it(monkeypatch):
    monkeypatch.setenv("PENSTOCK_TOPICS", '{"match": "a"}')
    with pytest.raises(ConfigurationError) as refused:
        load(RouterSettings)
    assert str(refused.value) == "PENSTOCK_TOPICS: it is a JSON list: write [{…}]."


def test_a_wrong_secret_is_not_printed(monkeypatch):
    monkeypatch.setenv("PENSTOCK_AUTH__SECRET", "canary")
    with pytest.raises(ConfigurationError) as refused:
        load(RouterSettings)
    assert "canary" not in str(refused.value)


def test_json_that_cannot_be_read_is_one_sentence(monkeypatch):
    monkeypatch.setenv("PENSTOCK_TOPICS", "[{")
    with pytest.raises(ConfigurationError, match=r"^PENSTOCK_TOPICS cannot be read as JSON: .* column 3"):
        load(RouterSettings)


def test_a_broken_file_is_told_before_anything_else(clean_place):
    (clean_place / "penstock.toml").write_text("[")
    with pytest.raises(ConfigurationError, match=r"Cannot read .*penstock\.toml"):
        load(GatewaySettings)


def test_without_a_url_the_bus_is_in_memory():
    assert isinstance(make_bus(CommonSettings(), MemoryBroker(), "router"), MemoryBus)


def test_with_a_url_the_bus_is_rabbitmq():
    settings = CommonSettings(amqp_url="amqp://localhost")
    assert isinstance(make_bus(settings, None, "router"), AmqpBus)


def test_a_process_of_its_own_cannot_use_the_memory_bus():
    with pytest.raises(ConfigurationError, match=r"A router of its own needs RabbitMQ: set PENSTOCK_AMQP_URL"):
        make_bus(CommonSettings(), None, "router")


def test_without_a_url_the_store_is_in_memory_as_long_as_there_is_one_process():
    assert isinstance(make_store(RouterSettings()), MemoryStore)
    assert isinstance(make_store(RouterSettings(amqp_url="amqp://localhost")), MemoryStore)


def test_a_process_of_its_own_cannot_use_the_memory_store():
    with pytest.raises(ConfigurationError, match=r"A router of its own needs Valkey or Redis: set PENSTOCK_STORE_URL"):
        make_store(RouterSettings(), "router")


@pytest.mark.parametrize("name", [None, "router"])
def test_with_a_url_the_store_is_valkey(name):
    assert isinstance(make_store(RouterSettings(store_url="valkey://localhost"), name), ValkeyStore)


def test_a_url_of_a_store_that_cannot_be_read_is_refused_without_its_password():
    with pytest.raises(ConfigurationError, match="PENSTOCK_STORE_URL cannot be read") as refused:
        make_store(RouterSettings(store_url="http://ada:canary@localhost"))
    assert "canary" not in str(refused.value)


class AskedStore(MemoryStore):
    """A store that answers its first question with an error."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    async def recent(self, within, now):
        raise self.error


async def test_a_store_that_is_away_does_not_stop_the_start_and_is_told(caplog):
    await OpenStore(AskedStore(StoreAway("The store (x:1) cannot be reached."))).start()
    assert [record.event for record in caplog.records] == ["store.away"]


async def test_a_store_that_turns_us_away_stops_the_start():
    with pytest.raises(ConfigurationError, match="wrong"):
        await OpenStore(AskedStore(ConfigurationError("wrong"))).start()
