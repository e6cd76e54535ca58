"""Counters as Prometheus text."""

from dataclasses import dataclass, field

import pytest

from shared.telemetry import instruments
from shared.telemetry.instruments import counter, gauge, undescribed
from shared.telemetry.metrics import Metrics
from shared.telemetry.process import PROCESS, ProcessCounters


@dataclass(slots=True)
class Counters:
    frames: int = 0
    connections: int = 0
    closed: dict[str, int] = field(default_factory=dict)
    depth: dict[str, int] = field(default_factory=dict)


CATALOGUE = {
    "frames": counter("Frames received."),
    "connections": gauge("Connections open\nnow."),
    "closed": counter("Connections closed.", by="code"),
    "depth": gauge("Messages in a queue.", by="queue"),
}


@pytest.fixture
def metrics():
    made = Metrics()
    yield made
    made.close()


def text(metrics):
    return metrics.prometheus().decode()


def test_numbers_are_read_when_somebody_asks(metrics):
    counters = Counters()
    metrics.observe("penstock_gateway", counters, CATALOGUE)
    counters.frames = 7
    assert "penstock_gateway_frames_total 7\n" in text(metrics)
    counters.frames = 9
    assert "penstock_gateway_frames_total 9\n" in text(metrics)


def test_each_metric_says_what_it_is(metrics):
    metrics.observe("penstock_gateway", Counters(frames=1, connections=2), CATALOGUE)
    assert text(metrics) == (
        "# HELP penstock_gateway_connections Connections open\\nnow.\n"
        "# TYPE penstock_gateway_connections gauge\n"
        "penstock_gateway_connections 2\n"
        "# HELP penstock_gateway_frames_total Frames received.\n"
        "# TYPE penstock_gateway_frames_total counter\n"
        "penstock_gateway_frames_total 1\n"
    )


def test_a_dict_is_one_series_per_value_of_its_label(metrics):
    counters = Counters()
    metrics.observe("penstock_gateway", counters, CATALOGUE)
    counters.closed["4002"] = 3
    counters.depth['penstock."dead"\\'] = 5
    assert 'penstock_gateway_closed_total{code="4002"} 3\n' in text(metrics)
    assert 'penstock_gateway_depth{queue="penstock.\\"dead\\"\\\\"} 5\n' in text(metrics)


def test_counters_of_one_kind_are_told_apart_by_a_label(metrics):
    buses = {"router": Counters(frames=1), "gateway": Counters(frames=2, closed={"1": 5})}
    metrics.observe_each("penstock_bus", "bus", buses, CATALOGUE)
    assert 'penstock_bus_frames_total{bus="router"} 1\n' in text(metrics)
    assert 'penstock_bus_frames_total{bus="gateway"} 2\n' in text(metrics)
    assert 'penstock_bus_closed_total{bus="gateway",code="1"} 5\n' in text(metrics)


def test_a_label_with_too_many_values_ends_in_other(metrics):
    counters = Counters(closed={str(code): 1 for code in range(instruments.MAX_LABEL_VALUES + 10)})
    metrics.observe("penstock_gateway", counters, CATALOGUE)
    assert 'penstock_gateway_closed_total{code="other"} 10\n' in text(metrics)
    assert text(metrics).count("closed_total{") == instruments.MAX_LABEL_VALUES + 1


def test_fields_and_catalogue_are_compared_both_ways():
    assert undescribed(Counters, CATALOGUE) == set()
    assert undescribed(Counters, {"frames": counter("Frames."), "gone": counter("Gone.")}) == {
        "connections",
        "closed",
        "depth",
        "gone",
    }


def test_a_process_tells_its_memory_and_files(metrics):
    counters = ProcessCounters()
    metrics.observe("process", counters, PROCESS, before=counters.refresh)
    lines = dict(line.rsplit(" ", 1) for line in text(metrics).splitlines() if not line.startswith("#"))
    assert float(lines["process_resident_memory_bytes"]) > 1_000_000
    assert 0 < float(lines["process_open_fds"]) < float(lines["process_max_fds"])
    assert float(lines["process_cpu_seconds_total"]) > 0
