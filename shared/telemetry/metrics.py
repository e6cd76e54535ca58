"""A process's measurements: observable instruments over the services' counters, read when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from shared.telemetry.exposition import CONTENT_TYPE, exposition
from shared.telemetry.instruments import Catalogue, Instrument, Kind, metric_name, readings

__all__ = ["CONTENT_TYPE", "Metrics"]


class Metrics:
    """Reads counters on request; nothing runs in between.

    One per process, made where the program is put together, and given to whoever answers ``/metrics``.
    """

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider([self._reader], resource=Resource({}), shutdown_on_exit=False)
        self._meter = self._provider.get_meter("penstock")

    def observe(
        self, prefix: str, counters: object, catalogue: Catalogue, *, before: Callable[[], None] | None = None
    ) -> None:
        """Expose the fields of `counters` that `catalogue` describes; `before` brings them up to date first."""
        for number, (field, instrument) in enumerate(catalogue.items()):
            self._observe(prefix, field, instrument, [({}, counters)], before if number == 0 else None)

    def observe_each(self, prefix: str, label: str, counters: Mapping[str, object], catalogue: Catalogue) -> None:
        """Expose several counters of one kind; `label` tells them apart."""
        sources = [({label: name}, one) for name, one in counters.items()]
        for field, instrument in catalogue.items():
            self._observe(prefix, field, instrument, sources, None)

    def prometheus(self) -> bytes:
        """Return all measurements as Prometheus text; its content type is `CONTENT_TYPE`."""
        return exposition(self._reader.get_metrics_data())

    def close(self) -> None:
        """Let go of the instruments."""
        self._provider.shutdown()

    def _observe(
        self,
        prefix: str,
        field: str,
        instrument: Instrument,
        sources: Sequence[tuple[dict[str, str], object]],
        before: Callable[[], None] | None,
    ) -> None:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            if before is not None:
                before()
            return [
                Observation(value, {**whose, **labels})
                for whose, counters in sources
                for value, labels in readings(field, instrument, counters)
            ]

        make = (
            self._meter.create_observable_counter
            if instrument.kind is Kind.COUNTER
            else self._meter.create_observable_gauge
        )
        make(metric_name(prefix, field, instrument), [read], description=instrument.help)
