"""What a worker can be told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from shared.settings import CommonSettings


class HousekeepingSettings(BaseModel):
    """How closely the queues are watched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: float = Field(default=10.0, ge=0.1, le=3600, description="Seconds between two looks at the queues.")
    nearly_full: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Share of its bound, 0 to 1, from which a route queue is reported as nearly full.",
    )


class WorkerSettings(CommonSettings):
    """A worker's settings."""

    housekeeping: HousekeepingSettings = Field(
        default_factory=HousekeepingSettings, description="How closely the queues are watched."
    )
