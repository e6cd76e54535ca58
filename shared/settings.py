"""What every process is told, and from where: ``PENSTOCK_…`` variables over an optional ``penstock.toml``.

Each program has its own settings class, made of this one. They are read once, where the program is put together, and
never at import. ``__`` in a variable's name nests: ``PENSTOCK_AUTH__SECRET`` is ``secret`` in ``[auth]``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

Environment = Literal["development", "production"]


class CommonSettings(BaseSettings):
    """What gateway, router and workers share."""

    model_config = SettingsConfigDict(
        env_prefix="PENSTOCK_",
        env_nested_delimiter="__",
        toml_file="penstock.toml",
        extra="ignore",  # one file and one environment serve several programs; `penstock config` finds strays
        frozen=True,
        hide_input_in_errors=True,  # a wrong secret must not be printed
    )

    environment: Environment = Field(
        "development",
        description="development makes a secret and opens the door to localhost; production insists on being told.",
    )
    amqp_url: SecretStr | None = Field(
        None, description="RabbitMQ, amqp:// or amqps:// (user, password, host, port, vhost). Absent: the memory bus."
    )
    store_url: SecretStr | None = Field(
        None,
        description="Valkey or Redis 6.2: redis://, redis+sentinel://host,host/service or redis+cluster://host,host "
        "(user, password, db; rediss for TLS; valkey for redis). Absent: memory, for `penstock up` alone.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["text", "json"] | None = Field(
        None, description="How log lines look. Absent: text in development, json in production."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments first, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
