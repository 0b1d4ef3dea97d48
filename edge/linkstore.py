"""The seam to Redis for everyone but the redirect path: links and codes are written and read back here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from edge.links import EdgeLink

FREE: Final = 0
"""In place of a holder's number: nobody had the code."""


class LinkStoreUnavailableError(Exception):
    """Redis can't be reached or refuses writes; nothing is known to have changed. Callers answer 503."""


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """What is put of a link. `link=None`: a document without redirect. `version` counts its changes."""

    link_id: str
    number: int
    version: int
    link: EdgeLink | None
    document: bytes


@dataclass(frozen=True, slots=True)
class Mints:
    """How many mints began for a link, and the ids of those under way and void (`edge/redis_mints.py`)."""

    version: int
    under_way: frozenset[str]
    void: frozenset[str] = frozenset()


GONE_VERSION: Final = 2**53 - 1
"""Stands where a link was deleted: beyond any version, and what Redis's scripts can still count."""


class LinkStore(Protocol):
    """Owns no truth: all of it can be rebuilt from the catalogue. Raises `LinkStoreUnavailableError`."""

    async def ping(self) -> None: ...

    async def next_number(self) -> int:
        """A link number never given before. Raises `LinkStoreUnavailableError` while the store `is_empty`."""
        ...

    async def next_numbers(self, count: int) -> list[int]:
        """So many of them, by one command."""
        ...

    async def raise_number(self, at_least: int) -> None:
        """Make sure that `next_number` answers above `at_least`. Raises as `next_number`."""
        ...

    async def put_links(self, entries: Sequence[LinkEntry]) -> list[bool]:
        """Replace each link's hash at once as a whole; whether it was done, in order.

        Nothing is done where a later version is there, this one with another document, or a deleted link; or
        where the id leads to another link. So of two who change a link at once, one must read it again.
        """
        ...

    async def put_link(
        self, link_id: str, number: int, link: EdgeLink | None, document: bytes, version: int = 1
    ) -> bool:
        """The same for one."""
        ...

    async def get_document(self, link_id: str) -> tuple[int, bytes] | None:
        """The link's number and document, or None."""
        ...

    async def get_documents(self, link_ids: Sequence[str]) -> list[tuple[int, bytes] | None]:
        """The same for many, in order."""
        ...

    async def delete_link(self, link_id: str, number: int) -> None:
        """Forget the link for good; its codes stay claimed, so that none is ever given to another link."""
        ...

    async def claim_codes(self, domain_tag: str, codes: Sequence[str], number: int) -> list[int]:
        """Give each code to link `number` unless another has it; the holder's number for each, in order."""
        ...

    async def claim_codes_of(
        self, domain_tag: str, codes: Sequence[str], numbers: Sequence[int]
    ) -> list[int]:
        """As `claim_codes`, each code for the link whose number stands at its place."""
        ...

    async def claim_new_codes(
        self, domain_tag: str, codes: Sequence[str], numbers: Sequence[int]
    ) -> list[int]:
        """As `claim_codes_of`; who had each code before, in order, or `FREE`."""
        ...

    async def mints(self, number: int) -> Mints:
        """What is known of mints for the link's recipients."""
        ...

    async def begin_mint(self, number: int, mint_id: str, follows: int, *, alone: bool = False) -> bool:
        """Whether it began, now or before. It does not where another began since version `follows`.

        `alone`: nor where anything else is under way. Said again each `MINT_RENEWAL_S`, or it becomes void.
        """
        ...

    async def end_mint(self, number: int, mint_id: str) -> bool:
        """Say that its codes are in the catalogue, or never will be. False where it had become void."""
        ...

    async def forget_void_mint(self, number: int, mint_id: str) -> None:
        """Say that its codes are in the catalogue, or never will be, though its program may be paused."""
        ...

    async def resolve(self, domain_tag: str, code: str) -> int | None:
        """The number of the link that holds the code."""
        ...

    async def release_codes(self, domain_tag: str, codes: Sequence[str]) -> None:
        """Forget codes of an erased link or person. They resolve to nothing from then on, at edges in 1 s."""
        ...

    async def lay_out(self, codes: int) -> None:
        """Have buckets for so many codes that are to come, where there are none yet of either."""
        ...

    async def make_room(self) -> int:
        """Spread the codes over more buckets where those are full. Returns how many there are now."""
        ...

    async def is_empty(self) -> bool:
        """True where `mark_whole` was not called: a new or an emptied Redis."""
        ...

    async def is_whole(self) -> bool:
        """False where any part of the store was emptied, or it is new. A cluster may lose one node's part."""
        ...

    async def mark_whole(self, highest_number: int) -> None:
        """Say that nothing is missing, now that all that was lost is restored; also `raise_number`.

        What edges don't find from now on they take for not there. A new store is whole by `mark_whole(0)`.
        """
        ...

    async def restore_link(self, entry: LinkEntry) -> None:
        """As `put_links`, in what was emptied; nothing is changed elsewhere."""
        ...

    async def restore_codes(self, domain_tag: str, codes: Sequence[str], number: int) -> None:
        """As `claim_codes`, in what was emptied; nothing is changed elsewhere."""
        ...

    async def next_domain_tag(self) -> str:
        """A tag for a domain's codes (`edge/codes.py`), never given before."""
        ...

    async def put_domain(self, host: str, tag: str, document: bytes) -> bool:
        """Replace the host's document (`edge/domains.py`); False, and nothing done, where it has another tag.

        Makes sure that `next_domain_tag` never gives this tag.
        """
        ...

    async def domains(self) -> dict[str, bytes]:
        """The document of every host, deleted domains included."""
        ...

    async def domain_tag(self, host: str) -> str:
        """The tag of the host's codes: "" for one without a document, such as the default domain of most."""
        ...

    async def fields(self, number: int) -> Mapping[bytes, bytes]:
        """The link's whole hash; empty where there is none."""
        ...

    async def close(self) -> None: ...
