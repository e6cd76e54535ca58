"""What the front door itself can be told: how a process is run, whichever program it is."""

from __future__ import annotations

from pydantic import Field

from shared.lifecycle import STOP_DEADLINE
from shared.settings import CommonSettings


class ProcessSettings(CommonSettings):
    """How a process ends, and where it tells how it is."""

    stop_deadline: float = Field(
        default=STOP_DEADLINE,
        gt=0,
        le=3600,
        description="Seconds that a process has, once it is told to stop, to finish what is in hand.",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address on which a router or worker serves /metrics, /healthz and /readyz."
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="Port for these; 0: any free one. Absent: not served. A gateway serves them on its own port.",
    )
