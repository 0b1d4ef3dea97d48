"""Every setting: from the environment, from `.env`, empty, and wrong with one line that names it."""

import ipaddress
import os
from pathlib import Path

import pytest

from edge.settings import PREFIX, Settings, SettingsError, load

DEFAULTS = {
    "redis_url": None,
    "events_url": None,
    "dead_letter_percent": 1.0,
    "clickhouse_url": None,
    "data_dir": Path("var"),
    "edge_host": "0.0.0.0",
    "edge_port": 8080,
    "edge_workers": os.cpu_count(),
    "api_host": "127.0.0.1",
    "api_port": 8000,
    "metrics_port": 9100,
    "admin_key": None,
    "default_domain": "localhost:8080",
    "geoip_path": None,
    "trusted_proxies": (),
    "retention_days": 400,
    "outbound_networks": (),
    "cors_origins": (),
    "sms_gateway_url": None,
}
GOOD = [
    ("REDIS_URL", "redis://127.0.0.1:6379/1", "redis://127.0.0.1:6379/1"),
    ("REDIS_URL", "rediss://user:pass@redis.example.com:6380", "rediss://user:pass@redis.example.com:6380"),
    ("REDIS_URL", "redis+cluster://redis.example.com:7000", "redis+cluster://redis.example.com:7000"),
    ("REDIS_URL", "unix:///run/redis.sock", "unix:///run/redis.sock"),
    (
        "EVENTS_URL",
        "kafka://a.example.com:9092,b.example.com:9092",
        "kafka://a.example.com:9092,b.example.com:9092",
    ),
    ("EVENTS_URL", "kafka://us:pw@a.example.com:9093?tls=true", "kafka://us:pw@a.example.com:9093?tls=true"),
    ("DEAD_LETTER_PERCENT", "2.5", 2.5),
    ("CLICKHOUSE_URL", "https://warehouse.example.com:8443", "https://warehouse.example.com:8443"),
    ("SMS_GATEWAY_URL", "smpp://id:pw@smsc.example.com:2775", "smpp://id:pw@smsc.example.com:2775"),
    ("DATA_DIR", "/srv/links", Path("/srv/links")),
    ("DATA_DIR", "~/links", Path.home() / "links"),
    ("EDGE_HOST", "::", "::"),
    ("EDGE_HOST", "localhost", "localhost"),
    ("EDGE_PORT", "0", 0),
    ("EDGE_PORT", "65535", 65535),
    ("EDGE_WORKERS", "3", 3),
    ("API_HOST", "10.0.0.1", "10.0.0.1"),
    ("API_PORT", "8001", 8001),
    ("METRICS_PORT", "9200", 9200),
    ("ADMIN_KEY", "0123456789abcdef", "0123456789abcdef"),
    ("DEFAULT_DOMAIN", " S.Example.COM ", "s.example.com"),
    ("DEFAULT_DOMAIN", "[::1]:8080", "[::1]:8080"),
    ("GEOIP_PATH", "/", "/"),
    (
        "TRUSTED_PROXIES",
        "10.0.0.0/8, fd00::/8,192.0.2.1,",
        tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8", "192.0.2.1/32"))),
    ),
    ("OUTBOUND_NETWORKS", "10.0.0.0/8", (ipaddress.ip_network("10.0.0.0/8"),)),
    (
        "CORS_ORIGINS",
        "https://App.example.com, http://localhost:3000",
        ("https://app.example.com", "http://localhost:3000"),
    ),
    ("RETENTION_DAYS", "30", 30),
]
BAD = [
    ("SMS_GATEWAY_URL", "ftp://gateway.example.com", "starts with one of http://, https://, smpp://"),
    ("REDIS_URL", "http://127.0.0.1", "starts with one of redis://, rediss://, redis+cluster://, unix://"),
    ("REDIS_URL", "redis://", "is redis://host:port"),
    ("REDIS_URL", "redis://host:port", "is redis://host:port"),
    ("REDIS_URL", "redis://host:70000", "is redis://host:port"),
    ("REDIS_URL", "unix://run/redis.sock", "with an absolute path"),
    ("EVENTS_URL", "amqp://127.0.0.1", "starts with one of kafka://"),
    ("EVENTS_URL", "kafka://a.example.com", "is kafka://host:port,host:port"),
    ("DEAD_LETTER_PERCENT", "101", "less than or equal to 100"),
    ("CLICKHOUSE_URL", "clickhouse://127.0.0.1", "starts with one of http://, https://"),
    ("EDGE_HOST", "not a host", "is an IP address to listen on"),
    ("EDGE_HOST", "256.0.0.1", "is an IP address to listen on"),
    ("EDGE_HOST", "localhost:80", "is an IP address to listen on"),
    ("EDGE_PORT", "http", "valid integer"),
    ("EDGE_PORT", "65536", "less than or equal to 65535"),
    ("EDGE_PORT", "-1", "greater than or equal to 0"),
    ("EDGE_WORKERS", "0", "greater than or equal to 1"),
    ("EDGE_WORKERS", "1.5", "valid integer"),
    ("API_HOST", "https://example.com", "is an IP address to listen on"),
    ("API_PORT", "99999", "less than or equal to 65535"),
    ("METRICS_PORT", "65535", "less than or equal to 65500"),
    ("ADMIN_KEY", "tooshort", "has 16 to 256 printable ASCII characters"),
    ("ADMIN_KEY", "sixteen chars and spaces", "has 16 to 256 printable ASCII characters"),
    ("DEFAULT_DOMAIN", "https://s.example.com", "is a host name with an optional port"),
    ("DEFAULT_DOMAIN", "s.example.com:0", "is a host name with an optional port"),
    ("DEFAULT_DOMAIN", "s.example.com:65536", "is a host name with an optional port"),
    ("DEFAULT_DOMAIN", "s_example.com", "is a host name with an optional port"),
    ("GEOIP_PATH", "/nowhere/city.mmdb", "there is no such file"),
    ("TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
    ("TRUSTED_PROXIES", "10.0.0.0/8;10.1.0.0/16", "does not appear to be an IPv4 or IPv6 network"),
    ("OUTBOUND_NETWORKS", "10.0.0.1/8", "host bits"),
    ("CORS_ORIGINS", "app.example.com", "https://app.example.com"),
    ("RETENTION_DAYS", "0", "greater than or equal to 1"),
    ("RETENTION_DAYS", "forever", "valid integer"),
]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def test_every_setting_has_its_default() -> None:
    assert load().model_dump() == DEFAULTS


@pytest.mark.parametrize(("name", "given", "expected"), GOOD)
def test_a_good_value_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, expected: object
) -> None:
    monkeypatch.setenv(PREFIX + name, given)
    assert getattr(load(), name.lower()) == expected


@pytest.mark.parametrize(("name", "given", "expected"), GOOD)
def test_a_good_value_is_taken_from_the_env_file(name: str, given: str, expected: object) -> None:
    Path(".env").write_text(f"# a comment\nOTHER=1\n{PREFIX}{name}='{given}'\n", encoding="utf-8")
    assert getattr(load(), name.lower()) == expected


@pytest.mark.parametrize(("name", "given", "complaint"), BAD)
def test_a_bad_value_is_one_line_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, complaint: str
) -> None:
    monkeypatch.setenv(PREFIX + name, given)
    with pytest.raises(SettingsError) as caught:
        load()
    line = str(caught.value)
    assert line.startswith(PREFIX + name)
    assert complaint in line
    assert "\n" not in line


def test_every_setting_is_tried_good_and_bad() -> None:
    assert {name.lower() for name, *_ in GOOD} == set(Settings.model_fields)
    assert {name.lower() for name, *_ in BAD} == set(Settings.model_fields) - {"data_dir"}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(PREFIX + name.upper(), "")
    Path(".env").write_text(f"{PREFIX}{name.upper()}=\n", encoding="utf-8")
    assert load().model_dump() == DEFAULTS


def test_the_environment_wins_over_the_env_file_and_overrides_over_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text(f"{PREFIX}EDGE_PORT=1\n{PREFIX}API_PORT=1\n", encoding="utf-8")
    monkeypatch.setenv(PREFIX + "EDGE_PORT", "2")
    settings = load(data_dir="/srv/links")
    assert (settings.edge_port, settings.api_port, settings.data_dir) == (2, 1, Path("/srv/links"))


def test_an_env_file_that_is_no_text_is_named() -> None:
    Path(".env").write_bytes(b"SMARTLINKS_EDGE_PORT=\xff\n")
    with pytest.raises(SettingsError, match=r"\A\.env: is not UTF-8 text.*\Z"):
        load()


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("ADMIN_KEY", "hunter2"),
        ("REDIS_URL", "redis://:hunter2@host:port"),
        ("REDIS_URL", "redis://:hunter2/slash@host:6379"),
        ("EVENTS_URL", "kafka://hunter2@host"),
        ("CLICKHOUSE_URL", "ftp://user:hunter2@host"),
    ],
)
def test_no_complaint_shows_a_secret(monkeypatch: pytest.MonkeyPatch, name: str, secret: str) -> None:
    monkeypatch.setenv(PREFIX + name, secret)
    with pytest.raises(SettingsError) as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().edge_port = 1  # type: ignore[misc]  # that is what is tried


def test_the_folders_stand_in_the_data_folder() -> None:
    settings = load(data_dir="/srv/links")
    assert settings.spool_dir == Path("/srv/links/spool/clicks")
    assert settings.outbox_dir == Path("/srv/links/spool/links")
    assert settings.warehouse_dir == Path("/srv/links/warehouse")
