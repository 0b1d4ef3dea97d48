"""The seam between a resolver and where it looks things up: one Redis server, or a cluster of them."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from edge.routing import Decision

CONNECT_TIMEOUT_S: Final = 1.0
STALL_S: Final = 1.0
"""A connection that gives no reply for so long is dropped."""
LINK_PREFIX: Final = b"link:"


class Lookups(Protocol):
    """Asks for codes and links. What is asked for is answered by the owner's `on_…`, or never."""

    @property
    def down_reason(self) -> str | None:
        """Why no look-up can be made; None while one can."""
        ...

    async def connect(self) -> None:
        """Try to connect, once. With the connection come the domains."""
        ...

    async def run(self) -> None:
        """Keep connected, until cancelled."""
        ...

    def close(self) -> None:
        """Drop all connections. `run` has been cancelled before."""
        ...

    def ask_codes(self, fields: list[bytes]) -> None:
        """Ask, now, which links hold the codes with these fields (`edge.codes.code_field`)."""
        ...

    def ask_link(self, number: int) -> None:
        """Ask for a link's `EDGE_FIELDS`."""
        ...


class LookupsOwner(Protocol):
    """Whom look-ups are answered to."""

    def on_numbers(self, fields: list[bytes], replies: list[Any]) -> None:
        """Redis's replies for codes: each its link's number, or None where nobody has it."""
        ...

    def on_missing(self, field: bytes, refusal: Decision) -> None:
        """Nobody has the code, and that was looked up as long as a link would be; or it can't be known."""
        ...

    def on_link(self, number: int, reply: Any, refusal: Decision) -> None:
        """Redis's reply for a link; `refusal` is what to answer where there is none."""
        ...

    def on_links_changed(self, numbers: Sequence[int]) -> None: ...

    def forget_codes(self) -> None:
        """Some codes may lead nowhere any more."""
        ...

    def forget_all(self) -> None:
        """Links may have changed without our being told."""
        ...

    def on_connected(self) -> None:
        """Look-ups can be made; none that was asked for before will be answered."""
        ...

    def on_lost(self, reason: str) -> None:
        """The connection is gone, and another is being made."""
        ...

    def on_down(self, reason: str) -> None:
        """No look-up can be made for the time being."""
        ...

    def on_replies_read(self, waited_s: float) -> None:
        """All replies that came together have been handed out; the first of them took `waited_s`."""
        ...


def changed_links(keys: Sequence[bytes]) -> list[int]:
    """The numbers of the links among changed keys, `link:<number>` or `link:{<tag>}:<number>`."""
    numbers = (key.rpartition(b":")[2] for key in keys if key.startswith(LINK_PREFIX))
    return [int(number) for number in numbers if number.isdigit()]
