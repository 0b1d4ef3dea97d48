"""A broker that wants TLS: on one port with SASL (PLAIN, SCRAM-SHA-512), on another with our certificate.

Its authority and certificates are made here.
"""

import datetime as dt
import ipaddress
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fixtures.ports import free_ports
from tests.kafka.cluster import (
    CLUSTER_ID,
    JVM_OPTIONS,
    POM,
    PROPERTIES,
    START_DEADLINE_S,
    Broker,
)
from tests.maven_jars import fetch_jars

USER, PASSWORD = "crm", "right"
_DAY: Final = dt.timedelta(days=1)
_MODULES: Final = "org.apache.kafka.common.security"
_SECURITY: Final = """
listeners={clients},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners={clients}
inter.broker.listener.name=INTERNAL
listener.security.protocol.map=INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL
ssl.keystore.type=PEM
ssl.keystore.location={keys}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={keys}/ca.pem
listener.name.mutual.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required user_{user}="{password}";
listener.name.sasl.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
"""


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """`keys` has our authority's certificate, our own with its key, and that of a strange authority."""

    keys: Path
    sasl_port: int
    mutual_port: int

    def sasl_url(self, *, password: str = PASSWORD, ca: str = "ca", **parameters: str) -> str:
        query = urlencode({"tls": "true", "tls_ca": str(self.keys / f"{ca}.pem"), **parameters})
        return f"kafka://{USER}:{password}@127.0.0.1:{self.sasl_port}?{query}"

    def mutual_url(self, *, with_certificate: bool = True, **parameters: str) -> str:
        ours = {"tls_cert": str(self.keys / "client.pem"), "tls_key": str(self.keys / "client.key")}
        query = {"tls": "true", "tls_ca": str(self.keys / "ca.pem"), **(ours if with_certificate else {})}
        return f"kafka://127.0.0.1:{self.mutual_port}?{urlencode({**query, **parameters})}"


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """A running broker in `folder`. Raises `JarsUnavailableError`."""
    jars, keys = fetch_jars(POM, name="kafka", needs=("java",)), folder / "keys"
    _make_keys(keys)
    port, controller_port, sasl_port, mutual_port = free_ports(4)
    broker = Broker(1, folder / "broker", port, controller_port)
    (folder / "broker").mkdir()
    common = PROPERTIES.format(
        node=1,
        voters=f"1@127.0.0.1:{controller_port}",
        port=port,
        controller_port=controller_port,
        data=folder / "broker" / "data",
        replication=1,
        min_insync=1,
    )
    security = _SECURITY.format(
        clients=",".join(
            f"{name}://127.0.0.1:{each}"
            for name, each in (("INTERNAL", port), ("SASL", sasl_port), ("MUTUAL", mutual_port))
        ),
        controller_port=controller_port,
        keys=keys,
        modules=_MODULES,
        user=USER,
        password=PASSWORD,
    )
    lines = [line for line in common.splitlines() if not line.startswith("listeners=")]
    properties = folder / "broker" / "server.properties"
    properties.write_text("\n".join(lines) + security)
    _format(jars, properties)
    try:
        broker.launch(jars)
        for opened in (port, sasl_port, mutual_port):
            wait_until_open(opened)
        yield SecuredKafka(keys, sasl_port, mutual_port)
    finally:
        broker.kill()


def _format(jars: Path, properties: Path) -> None:
    """Prepare the broker's folder, with a user for SCRAM in it."""
    tool = ["java", *JVM_OPTIONS, "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format"]
    scram = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
    command = [*tool, "-t", CLUSTER_ID, "-c", str(properties), "--add-scram", scram]
    subprocess.run(command, check=True, capture_output=True, timeout=180)


def wait_until_open(port: int) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline_s, f"nothing listens on port {port}"
        time.sleep(0.02)


class _Authority:
    """Signs certificates for 127.0.0.1."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.certificate = self.sign(name, self._key, is_authority=True)

    def sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(
            self._name, _named(name), key.public_key(), x509.random_serial_number(), now - _DAY, now + _DAY
        )
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return builder.add_extension(host, critical=False).sign(self._key, hashes.SHA256())


def _make_keys(folder: Path) -> None:
    folder.mkdir(parents=True)
    authority = _Authority("test authority")
    (folder / "ca.pem").write_bytes(_pem_of(authority.certificate))
    (folder / "strange.pem").write_bytes(_pem_of(_Authority("strange authority").certificate))
    for name in ("broker", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate_pem = _pem_of(authority.sign(name, key))
        (folder / f"{name}.key").write_bytes(key_pem)
        (folder / f"{name}.pem").write_bytes((key_pem if name == "broker" else b"") + certificate_pem)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
