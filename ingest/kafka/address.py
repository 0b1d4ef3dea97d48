"""Where Kafka is and how we want it, from `SMARTLINKS_EVENTS_URL`.

    kafka://[user:password@]host:port,host:port[?name=value&name=value]

| parameter | default | meaning |
| --- | --- | --- |
| `tls` | `false` | `true`: TLS, the server's name and certificate checked |
| `tls_ca` | the system's | PEM file of the authorities to trust |
| `tls_cert`, `tls_key` | none | PEM files of our own certificate and its key |
| `sasl` | `SCRAM-SHA-512` where there is a user | or `PLAIN`, `SCRAM-SHA-256` |
| `prefix` | none | put before the names of topics and groups: many systems on one Kafka |
| `partitions` | 8 | of a topic that is created |
| `replication` | 3, or as many as there are brokers | of a topic that is created |
| `retention_hours` | 168 | of a topic that is created |

User and password are percent-encoded, as in every URL. Nothing of them is ever shown.
"""

import ssl
from dataclasses import dataclass, field
from typing import Any, Final

from edge.contract import PREFIX, SettingsError, split_servers_url

CLICKS_TOPIC: Final = "smartlinks.clicks.v1"
LINKS_TOPIC: Final = "smartlinks.links.v1"
LINK_RESULTS_TOPIC: Final = "smartlinks.links.results.v1"
DEAD_SUFFIX: Final = ".dlq"

_SASL: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_NUMBERS: Final = {"partitions": 10_000, "replication": 100, "retention_hours": 24 * 3_650}
_TEXTS: Final = ("tls", "tls_ca", "tls_cert", "tls_key", "sasl", "prefix")


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """`servers` is `host:port,host:port`. `replication` None: as many as there are brokers, at most 3."""

    servers: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sasl: str = "SCRAM-SHA-512"
    tls: ssl.SSLContext | None = None
    prefix: str = ""
    partitions: int = 8
    replication: int | None = None
    retention_hours: int = 168

    def client_options(self) -> dict[str, Any]:
        """Arguments that every client of aiokafka takes."""
        protocol = ("SASL_" if self.user else "") + ("SSL" if self.tls else "PLAINTEXT")
        options: dict[str, Any] = {"bootstrap_servers": self.servers, "security_protocol": protocol}
        if self.tls:
            options["ssl_context"] = self.tls
        if self.user:
            options["sasl_mechanism"] = self.sasl
            options["sasl_plain_username"] = self.user
            options["sasl_plain_password"] = self.password
        return options


def parse_address(url: str) -> KafkaAddress:
    """The address in `url`. Raises `SettingsError`, which never quotes a password."""
    parts = split_servers_url(url)
    given = parts.parameters
    unknown = given.keys() - _NUMBERS.keys() - set(_TEXTS)
    if unknown:
        raise _refuse(f"has no parameter {min(unknown)}; it has {', '.join([*_TEXTS, *_NUMBERS])}")
    if bool(parts.user) != bool(parts.password):
        raise _refuse("has a user and a password, or neither")
    sasl = given.get("sasl", "SCRAM-SHA-512").upper()
    if sasl not in _SASL:
        raise _refuse(f"sasl is one of {', '.join(_SASL)}")
    return KafkaAddress(
        servers=parts.servers,
        user=parts.user or None,
        password=parts.password or None,
        sasl=sasl,
        tls=_tls(given),
        prefix=given.get("prefix", ""),
        partitions=_number(given, "partitions") or 8,
        replication=_number(given, "replication"),
        retention_hours=_number(given, "retention_hours") or 168,
    )


def _tls(given: dict[str, str]) -> ssl.SSLContext | None:
    wanted = given.get("tls", "false")
    if wanted not in {"true", "false"}:
        raise _refuse("tls is true or false")
    if wanted == "false":
        if given.keys() & {"tls_ca", "tls_cert", "tls_key"}:
            raise _refuse("has certificates, so it wants tls=true")
        return None
    try:
        context = ssl.create_default_context(cafile=given.get("tls_ca"))
        if "tls_cert" in given:
            context.load_cert_chain(given["tls_cert"], given.get("tls_key"))
    except OSError as error:  # an ssl.SSLError is one
        raise _refuse(f"tls_ca, tls_cert, tls_key: {error}") from None
    return context


def _number(given: dict[str, str], name: str) -> int | None:
    if name not in given:
        return None
    text = given[name]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _NUMBERS[name]:
        raise _refuse(f"{name} is a number from 1 to {_NUMBERS[name]}")
    return int(text)


def _refuse(what: str) -> SettingsError:
    return SettingsError(f"{PREFIX}EVENTS_URL: {what}")
