"""Settings of every program: read once from the environment or `.env`, checked, frozen, passed down.

Source: environment variables with the prefix `SMARTLINKS_`; an empty one counts as unset. A wrong one ends
the program with one line that names it (`load` raises `SettingsError`, whose text is that line).
"""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "SMARTLINKS_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Port = Annotated[int, Field(ge=0, le=65535)]

_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:(?P<port>\d{1,5}))?\Z"
)
_BROKER: Final = re.compile(r"[^\s,/@]+:\d{1,5}\Z")
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.\[\]:-]+\Z")
_SCHEMES: Final = {
    "redis_url": ("redis", "rediss", "redis+cluster", "unix"),
    "events_url": ("kafka",),
    "clickhouse_url": ("http", "https"),
    "sms_gateway_url": ("http", "https", "smpp"),
}
_SECRET: Final = frozenset({"admin_key", "redis_url", "events_url", "clickhouse_url", "sms_gateway_url"})


class SettingsError(Exception):
    """One line that names the setting, what is wrong with it, and what it should be."""


class Settings(BaseSettings):
    """All settings, typed. Ports are TCP ports; 0 lets the system choose (tests use that)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    redis_url: str | None = None
    events_url: str | None = None
    clickhouse_url: str | None = None
    data_dir: Path = Path("var")
    edge_host: str = "0.0.0.0"  # noqa: S104 - the edge is the public server
    edge_port: Port = 8080
    edge_workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=512)
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    metrics_port: int = Field(default=9100, ge=1, le=65500)
    admin_key: str | None = None
    default_domain: str = "localhost:8080"
    geoip_path: str | None = None
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    retention_days: int = Field(default=400, ge=1, le=36_500)
    dead_letter_percent: float = Field(default=1.0, ge=0, le=100)
    outbound_networks: Annotated[tuple[Network, ...], NoDecode] = ()
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    sms_gateway_url: str | None = None

    @field_validator("redis_url", "events_url", "clickhouse_url", "sms_gateway_url")
    @classmethod
    def _is_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        schemes = _SCHEMES[info.field_name or ""]
        if value is None:
            return None
        if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"starts with one of {', '.join(f'{scheme}://' for scheme in schemes)}")
        url = urlsplit(value)
        if url.scheme in {"kafka", "redis+cluster"}:
            servers = url.netloc.rpartition("@")[2]  # behind user and password, if any
            if not all(_BROKER.match(server) for server in servers.split(",")):
                raise ValueError(f"is {url.scheme}://host:port,host:port")
        elif url.scheme == "unix":
            if url.netloc or not url.path:
                raise ValueError("is unix:// with an absolute path, such as unix:///run/redis.sock")
        elif not url.hostname or not _has_port(url):
            raise ValueError(f"is {url.scheme}://host:port")
        return value

    @field_validator("data_dir")
    @classmethod
    def _at_home(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("edge_host", "api_host")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            host = _HOST.match(value.lower())
            if host is None or host["port"] or re.fullmatch(r"[0-9.]+", value):
                raise ValueError("is an IP address to listen on, or a host name") from None
            return value

    @field_validator("admin_key")
    @classmethod
    def _long_enough(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\x21-\x7e]{16,256}", value):
            raise ValueError("has 16 to 256 printable ASCII characters and no spaces")
        return value

    @field_validator("default_domain")
    @classmethod
    def _is_domain(cls, value: str) -> str:
        domain = value.strip().lower()
        host = _HOST.match(domain)
        if host is None or not 0 < int(host["port"] or 443) <= 65535:
            raise ValueError("is a host name with an optional port, such as s.example.com")
        return domain

    @field_validator("geoip_path")
    @classmethod
    def _is_there(cls, value: str | None) -> str | None:
        if value is not None and not Path(value).exists():
            raise ValueError("is a city database in MaxMind's format (.mmdb), and there is no such file")
        return value

    @field_validator("trusted_proxies", "outbound_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        origins = tuple(part.strip().lower() for part in value.split(",") if part.strip())
        if not all(_ORIGIN.match(origin) for origin in origins):
            raise ValueError("is a list of origins such as https://app.example.com, separated by commas")
        return origins

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


def _has_port(url: SplitResult) -> bool:
    """Whether the port is one or left out. The parser's own complaint could quote a part of a password."""
    try:
        return url.port != 0
    except ValueError:
        return False


def load(**overrides: object) -> Settings:
    """Settings from the environment and `.env`; `overrides` win. Raises `SettingsError`."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks them
    except UnicodeDecodeError as error:
        raise SettingsError(f".env: is not UTF-8 text: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        given = "" if field in _SECRET else f"={first.get('input')!r}"
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{PREFIX}{field.upper()}{given}: {message}") from None
