"""The TCP ports that the programs will listen on: free before any of them starts, or named in an error."""

import errno
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from edge.contract import PREFIX, Settings

_PROGRAMS: Final = ("edge", "ingest", "aggregator", "api", "shipper")

_ALL_IPV4: Final = "0.0.0.0"  # noqa: S104 - compared, not bound


class PortError(Exception):
    """A port can't be listened on; the text is one line that names the setting to change."""


@dataclass(frozen=True, slots=True)
class Listener:
    """`setting` is what a person changes to have the program listen elsewhere, without the prefix."""

    setting: str
    host: str
    port: int


def programs(settings: Settings) -> tuple[str, ...]:
    """In the order of their metrics ports, counted up from METRICS_PORT. Without a bus nothing is shipped."""
    return _PROGRAMS if settings.events_url is not None else _PROGRAMS[:-1]


def listeners(settings: Settings) -> list[Listener]:
    """All that will listen on TCP."""
    return [
        Listener("EDGE_PORT", settings.edge_host, settings.edge_port),
        Listener("API_PORT", settings.api_host, settings.api_port),
        *(
            Listener("METRICS_PORT", settings.api_host, settings.metrics_port + offset)
            for offset in range(len(programs(settings)))
        ),
    ]


def check_free(wanted: list[Listener]) -> None:
    """Raises `PortError` at the first that can't be listened on, be it by the fault of one before it."""
    with ExitStack() as held:
        for listener in wanted:
            try:
                held.enter_context(_listen(listener.host, listener.port))
            except OSError as error:
                raise PortError(_explain(listener, error)) from None


def free_port(host: str) -> int:
    """A port that nobody listens on at this moment."""
    with _listen(host, 0) as server:
        return int(server.getsockname()[1])


def reachable(host: str) -> str:
    """The host as a client on this machine names it in a URL: loopback where all addresses are served."""
    if host == _ALL_IPV4:
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def _explain(listener: Listener, error: OSError) -> str:
    reason = {
        errno.EADDRINUSE: "something listens there already",
        errno.EACCES: "this user may not listen there",
        errno.EADDRNOTAVAIL: "this machine has no such address",
    }.get(error.errno or 0, error.strerror or str(error))
    return f"Can't listen on {listener.host}:{listener.port}, {reason}: change {PREFIX}{listener.setting}"


def _listen(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=_family(host))


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
