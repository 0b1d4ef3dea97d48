"""The seam to whoever carries messages to the phones: an HTTP gateway or an SMSC by SMPP."""

from dataclasses import dataclass
from typing import Final, Literal, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from api.messages.dlt import DltTags, read_dlt_tags
from api.messages.message import Message

DEFAULT_WINDOW: Final = 10
MAX_WINDOW: Final = 1000


class GatewayRefusedError(Exception):
    """The gateway won't have this message, now or later. The text says why."""


class GatewayUnavailableError(Exception):
    """The gateway can't take the message now; it may have it all the same. Try again later."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Gateway(Protocol):
    """Owns its connections. Belongs to one event loop."""

    in_flight: int
    """How many messages it takes at a time."""

    async def send(self, message: Message) -> str:
        """Hand the message over; the gateway's own id of it, empty where it gives none.

        Raises `GatewayRefusedError`, `GatewayUnavailableError`. The same message may come again after a
        crash: its id is what a gateway can tell that by.
        """
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """Where a gateway is. `url` has no user and password; `window`: how many messages at a time."""

    kind: Literal["http", "smpp"]
    url: str
    host: str
    port: int
    user: str
    password: str
    window: int
    dlt_tags: DltTags


def read_gateway_url(url: str) -> GatewayAddress:
    """Raises `ValueError` whose text says what is wrong, without the password."""
    parts = urlsplit(url)
    kinds: dict[str, Literal["http", "smpp"]] = {"http": "http", "https": "http", "smpp": "smpp"}
    try:
        port = parts.port or {"http": 80, "https": 443, "smpp": 2775}.get(parts.scheme, 0)
    except ValueError:
        raise ValueError("has no valid port") from None
    kind = kinds.get(parts.scheme)
    if kind is None or not parts.hostname:
        raise ValueError("is http://host/path, https://host/path or smpp://system_id:password@host:2775")
    if kind == "smpp" and not parts.username:
        raise ValueError("is smpp://system_id:password@host:2775")
    query = dict(parse_qsl(parts.query))
    window = DEFAULT_WINDOW
    if kind == "smpp" and "window" in query:
        if not query["window"].isdecimal() or not 1 <= int(query["window"]) <= MAX_WINDOW:
            raise ValueError(f"has a window of 1 to {MAX_WINDOW} messages, such as ?window=10")
        window = int(query["window"])
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return GatewayAddress(kind, bare, parts.hostname, port, user, password, window, read_dlt_tags(query))


def open_gateway(url: str) -> Gateway:
    """The gateway at an `http://`, `https://` or `smpp://` URL. Connects when the first message comes."""
    address = read_gateway_url(url)
    if address.kind == "http":
        from api.messages.http_gateway import HttpGateway

        return HttpGateway(address)
    from api.messages.smpp_gateway import SmppGateway

    return SmppGateway(address)
