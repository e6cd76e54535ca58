"""Writes measurements as Prometheus text, version 0.0.4 ◆

A room of our own, because the exporter that OpenTelemetry offers is a beta over a second metrics library with a
registry of its own; of the text format we need counters and gauges.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, NumberDataPoint, Sum

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(data: MetricsData | None) -> bytes:
    """Return every counter and gauge of `data`, sorted by name."""
    metrics = sorted(_metrics(data), key=lambda metric: metric.name)
    return "".join(line + "\n" for metric in metrics for line in _lines(metric)).encode()


def _metrics(data: MetricsData | None) -> Iterator[Metric]:
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            yield from scope.metrics


def _lines(metric: Metric) -> Iterator[str]:
    assert isinstance(metric.data, Sum | Gauge), "only counters and gauges are made (metrics.py)"
    yield f"# HELP {metric.name} {_escape_help(metric.description or '')}"
    yield f"# TYPE {metric.name} {'counter' if isinstance(metric.data, Sum) else 'gauge'}"
    for point in metric.data.data_points:
        assert isinstance(point, NumberDataPoint), "counters and gauges have number points"
        yield f"{metric.name}{_labels(point.attributes or {})} {_number(point.value)}"


def _labels(labels: Mapping[str, object]) -> str:
    pairs = ",".join(f'{name}="{_escape(str(value))}"' for name, value in sorted(labels.items()))
    return f"{{{pairs}}}" if pairs else ""


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escape(text: str) -> str:
    return _escape_help(text).replace('"', r"\"")


def _number(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    return repr(value)
