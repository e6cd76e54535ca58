"""What the plain integers of a service mean ◆

The hot path adds to integers in a slotted dataclass and knows nothing of metrics. A catalogue says beside it, field by
field, what they are::

    GATEWAY = {"frames": counter("Frames received from clients."), "connections": gauge("Connections open now.")}

A field may hold a dict, one number per value of a label. Such values are ours (codes, reasons, queues), never a
client's: each makes a time series.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeAlias

MAX_LABEL_VALUES = 64
"""Values of one label that are exposed; what is beyond them is added up under `OTHER`."""

OTHER = "other"


class Kind(StrEnum):
    """How a number moves."""

    COUNTER = "counter"
    """Up only, from the start of the process."""
    GAUGE = "gauge"
    """Up and down."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """What one field means. `label` names what its dict's keys are, None where it holds one number."""

    kind: Kind
    help: str
    label: str | None = None


Catalogue: TypeAlias = Mapping[str, Instrument]
"""From the fields of one counters class to what they mean."""


def counter(help: str, *, by: str | None = None) -> Instrument:
    """Describe a field that only grows."""
    return Instrument(Kind.COUNTER, help, by)


def gauge(help: str, *, by: str | None = None) -> Instrument:
    """Describe a field that goes up and down."""
    return Instrument(Kind.GAUGE, help, by)


def metric_name(prefix: str, field: str, instrument: Instrument) -> str:
    """Return the full name of a field's metric: ``{prefix}_{field}``, and ``…_total`` for counters."""
    return f"{prefix}_{field}_total" if instrument.kind is Kind.COUNTER else f"{prefix}_{field}"


def undescribed(counters: Any, catalogue: Catalogue) -> set[str]:
    """Return the fields of a dataclass that its catalogue lacks, and the catalogue's that it lacks."""
    return {item.name for item in fields(counters)} ^ set(catalogue)


def readings(field: str, instrument: Instrument, counters: object) -> Iterator[tuple[float, dict[str, str]]]:
    """Yield each number of a field with its labels."""
    value = getattr(counters, field)
    if instrument.label is None:
        yield value, {}
        return
    rest = 0
    for place, (name, number) in enumerate(list(value.items())):
        if place < MAX_LABEL_VALUES:
            yield number, {instrument.label: str(name)}
        else:
            rest += number
    if rest:
        yield rest, {instrument.label: OTHER}
