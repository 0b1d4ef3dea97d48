"""Why Kafka can't be reached, in words that say what to do.

aiokafka tells of a failed start only that it failed; so one connection to each server is tried by hand.
"""

import asyncio
import ssl
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from edge.contract import PREFIX
from ingest.kafka.address import KafkaAddress

WITHIN_S: Final = 10.0


async def explain_failure(address: KafkaAddress, error: Exception) -> str:
    """One line for the log: which server, what is wrong there, which setting to look at."""
    reasons = [f"{server}: {await _try(address, server)}" for server in address.servers.split(",")]
    return f"Kafka can't be used ({PREFIX}EVENTS_URL). {'; '.join(reasons)} [{error!r}]"


async def _try(address: KafkaAddress, server: str) -> str:
    host, _, port = server.rpartition(":")
    options = address.client_options()
    del options["bootstrap_servers"]
    try:
        async with asyncio.timeout(WITHIN_S):
            connection = await create_conn(host, int(port), **options)
    except (OSError, KafkaError, TimeoutError, ValueError) as failure:
        return _in_words(address, failure)
    connection.close()
    return "it takes our connections; what was asked of it failed"


def _in_words(address: KafkaAddress, failure: Exception) -> str:  # noqa: PLR0911 - a table of reasons
    match failure:
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not trusted ({failure.verify_message}); name the file of the authority"
                " that signed it by tls_ca, and the host as the certificate does"
            )
        case ssl.SSLError():
            return (
                f"TLS fails ({failure.reason or failure}); is it a TLS port, and does it want a certificate"
                " of ours (tls_cert, tls_key)?"
            )
        case AuthenticationFailedError() | SaslAuthenticationFailed():
            return f"user or password is wrong for {address.sasl}; see the user in the URL, and sasl"
        case UnsupportedSaslMechanismError() | IllegalSaslStateError():
            return f"it does not know {address.sasl}; choose another by sasl ({failure})"
        case TimeoutError():
            return f"no answer within {WITHIN_S:g} s; is it a port for {_protocol(address)}?"
        case ConnectionRefusedError():
            return "nothing listens there; is it running, and are host and port right?"
        case _:
            wants = "; does it want a certificate of ours (tls_cert, tls_key)?" if address.tls else ""
            return f"the connection fails ({failure}); is it a port for {_protocol(address)}?{wants}"


def _protocol(address: KafkaAddress) -> str:
    return str(address.client_options()["security_protocol"])
