"""Every counter has its place in the catalogue."""

import pytest

from gateway.counters import Counters as GatewayCounters
from gateway.transports.counters import PortCounters
from penstock.catalogue import by_prefix
from penstock.measuring import Build
from router.counters import Counters as RouterCounters
from shared.bus.counters import BusCounters
from shared.store.counters import StoreCounters
from shared.telemetry.instruments import undescribed
from shared.telemetry.logs import LogCounters
from shared.telemetry.process import ProcessCounters
from workers.counters import Counters as WorkerCounters

COUNTERS = {
    "penstock_gateway": GatewayCounters,
    "penstock_port": PortCounters,
    "penstock_router": RouterCounters,
    "penstock_worker": WorkerCounters,
    "penstock_bus": BusCounters,
    "penstock_store": StoreCounters,
    "penstock_log": LogCounters,
    "penstock": Build,
    "process": ProcessCounters,
}


def test_there_is_a_catalogue_for_each_kind_of_counters():
    assert list(by_prefix()) == list(COUNTERS)


@pytest.mark.parametrize("prefix", COUNTERS)
def test_every_counter_is_described_and_nothing_else(prefix):
    assert undescribed(COUNTERS[prefix], by_prefix()[prefix]) == set()


@pytest.mark.parametrize("prefix", COUNTERS)
def test_every_description_is_a_sentence(prefix):
    for instrument in by_prefix()[prefix].values():
        assert instrument.help[0].isupper()
        assert instrument.help[-1] in ".?"
