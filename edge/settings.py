"""Settings of every program: read once from the environment or `.env`, checked, frozen, passed down.

Source: environment variables with the prefix `SMARTLINKS_`. A wrong one ends the program with one line
that names it (`load` raises `SettingsError`, whose text is that line).
"""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "SMARTLINKS_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Port = Annotated[int, Field(ge=0, le=65535)]

_HOST = re.compile(r"(?=.{1,253}\Z)(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:\d{1,5})?\Z")


def _unset_if_empty(value: object) -> object:
    return None if value == "" else value


OptionalText = Annotated[str | None, BeforeValidator(_unset_if_empty)]


class SettingsError(Exception):
    """One line that names the setting, what is wrong with it, and what it should be."""


class Settings(BaseSettings):
    """All settings, typed. Ports are TCP ports; 0 lets the system choose (tests use that)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    redis_url: OptionalText = None
    events_url: OptionalText = None
    clickhouse_url: OptionalText = None
    data_dir: Path = Path("var")
    edge_host: str = "0.0.0.0"  # noqa: S104 - the edge is the public server
    edge_port: Port = 8080
    edge_workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=512)
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    metrics_port: int = Field(default=9100, ge=1, le=65500)
    admin_key: OptionalText = None
    default_domain: str = "localhost:8080"
    geoip_path: OptionalText = None
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    retention_days: int = Field(default=400, ge=1, le=36_500)

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("default_domain")
    @classmethod
    def _is_host(cls, value: str) -> str:
        host = value.strip().lower()
        if not _HOST.match(host):
            msg = "is a host name with an optional port, such as s.example.com"
            raise ValueError(msg)
        return host

    @field_validator("redis_url", "events_url", "clickhouse_url")
    @classmethod
    def _scheme_is_known(cls, value: str | None, info: object) -> str | None:
        schemes = _SCHEMES[info.field_name]  # type: ignore[attr-defined]
        if value is not None and not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            msg = f"starts with one of {', '.join(f'{scheme}://' for scheme in schemes)}"
            raise ValueError(msg)
        return value

    @field_validator("admin_key")
    @classmethod
    def _long_enough(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\x21-\x7e]{16,256}", value):
            msg = "has 16 to 256 printable ASCII characters and no spaces"
            raise ValueError(msg)
        return value

    @property
    def spool_dir(self) -> Path:
        """Folder of the click spools, one folder a source."""
        return self.data_dir / "spool" / "clicks"

    @property
    def outbox_dir(self) -> Path:
        """Folder of the link events' spool."""
        return self.data_dir / "spool" / "links"

    @property
    def warehouse_dir(self) -> Path:
        """Folder of chDB, where no ClickHouse URL is set."""
        return self.data_dir / "warehouse"


_SCHEMES = {
    "redis_url": ("redis", "rediss", "redis+cluster", "unix"),
    "events_url": ("kafka",),
    "clickhouse_url": ("http", "https"),
}


def load(**overrides: object) -> Settings:
    """Settings from the environment and `.env`; `overrides` win. Raises `SettingsError`."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"][:1]).upper()
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}={first.get('input')!r}: {message}") from None
