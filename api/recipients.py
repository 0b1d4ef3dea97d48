"""Minting codes for recipients: the same (link, recipient, reference) always gets its same code."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import orjson

from api.events import Clock, new_event_id
from api.links import Links
from api.models import NewRecipient
from api.problems import unavailable
from api.recipient_forms import Pair, RecipientForms, StoredPairs
from edge.contract import LinkStore, LinkStoreUnavailableError, Mints, generate_many
from ingest.contract import (
    MAX_EVENT_BYTES,
    Catalogue,
    CodesMinted,
    CodesMintedAcross,
    CodeTakenError,
    LinkChangedError,
    LinkDocument,
    Outbox,
    WarehouseUnavailableError,
    renew_mint,
)

MAX_DRAWS: Final = 8
MAX_TURNS: Final = 8
TURN_POLL_S: Final = 0.005
_STALE: Final = -1
_CODE_BYTES: Final = 32  # with its quotes and comma, and perhaps a link's number


@dataclass(slots=True, eq=False)
class _LookUp:
    """A look-up in the catalogue that is under way, and what was minted for its pairs since it began."""

    wanted: dict[Pair, None]
    follows: int = _STALE  # the version of the link's mints since which no other program has minted
    minted: dict[Pair, str] = field(default_factory=dict)


class Recipients:
    """Mints codes, for one link one chunk at a time, so that no pair gets two codes.

    The catalogue is asked before a chunk's turn comes, while the chunk before it is being written. What that
    one mints meanwhile is told to the look-up: together they know all codes that the link has.

    Other programs may mint for the link, too. Redis lets a chunk begin only if none of them began since the
    look-up (`edge/redis_mints.py`); where one did, this one waits for a turn of its own and looks again. What
    a program that died, or pauses, has under way is made void.
    """

    def __init__(
        self,
        *,
        links: Links,
        link_store: LinkStore,
        catalogue: Catalogue,
        forms: RecipientForms,
        outbox: Outbox,
        clock: Clock,
        on_minted: Callable[[int], None],
    ) -> None:
        """`on_minted` is told how many codes were new."""
        self._links = links
        self._link_store = link_store
        self._begun: set[str] = set()  # by this program and still under way
        self._catalogue = catalogue
        self._forms = forms
        self._outbox = outbox
        self._clock = clock
        self._on_minted = on_minted
        self._look_ups: defaultdict[str, set[_LookUp]] = defaultdict(set)

    async def mint(
        self, tenant: str, link_id: str, wanted: Sequence[NewRecipient]
    ) -> tuple[LinkDocument, list[str]]:
        """The link, and a code for each recipient in order. Raises a 404 where there is no such link."""
        return await self.mint_pairs(tenant, link_id, [(one.recipient, one.reference) for one in wanted])

    async def mint_pairs(
        self, tenant: str, link_id: str, pairs: Sequence[Pair]
    ) -> tuple[LinkDocument, list[str]]:
        """As `mint`, for pairs that were checked to be what a `NewRecipient` takes."""
        number = (await self._links.read(tenant, link_id)).number
        forms = await asyncio.to_thread(self._forms.of, tenant, pairs)
        try:
            return await self._look_up_and_mint(tenant, link_id, number, forms)
        except LinkChangedError:
            pass
        for _ in range(MAX_TURNS):
            async with self._turn(number):
                try:
                    return await self._look_up_and_mint(tenant, link_id, number, forms)
                except LinkChangedError:
                    continue
        raise unavailable("Others mint codes for the link all the time.")

    async def _look_up_and_mint(
        self, tenant: str, link_id: str, number: int, forms: StoredPairs
    ) -> tuple[LinkDocument, list[str]]:
        """Raises `LinkChangedError` where another program has minted for the link meanwhile."""
        look_up = _LookUp(dict.fromkeys(forms.current))
        self._look_ups[link_id].add(look_up)
        try:
            look_up.follows = await self._wait_for_others(number)
            found = await asyncio.to_thread(self._catalogue.codes_for, tenant, number, forms.all_forms())
            stored = forms.by_current(found)
            async with self._links.hold(link_id):
                link = await self._links.read(tenant, link_id)
                missing = [
                    pair for pair in look_up.wanted if pair not in stored and pair not in look_up.minted
                ]
                for chunk in _chunks(missing):
                    await self._publish(link, chunk, look_up)
                codes = stored | look_up.minted
        finally:
            self._look_ups[link_id].discard(look_up)
            if not self._look_ups[link_id]:
                del self._look_ups[link_id]
        return link, [codes[pair] for pair in forms.current]

    async def _wait_for_others(self, number: int) -> int:
        """The version of the link's mints, once no other program has one under way."""
        while True:
            mints = await self._read_mints(number)
            if mints.under_way <= self._begun and not mints.void:
                return mints.version
            await asyncio.sleep(TURN_POLL_S)

    async def _read_mints(self, number: int) -> Mints:
        """What is void is forgotten by the next time."""
        await self._outbox.settle()
        mints = await self._link_store.mints(number)
        for mint_id in mints.void:
            await asyncio.to_thread(self._catalogue.void_codes, self._clock(), token=mint_id)
            await self._link_store.forget_void_mint(number, mint_id)
        return mints

    @asynccontextmanager
    async def _turn(self, number: int) -> AsyncIterator[None]:
        """Other programs wait with what they would look up for the link."""
        turn, follows = new_event_id(), (await self._read_mints(number)).version
        while not await self._link_store.begin_mint(number, turn, follows, alone=True):
            await asyncio.sleep(TURN_POLL_S)
            follows = (await self._read_mints(number)).version
        self._begun.add(turn)
        try:
            async with renew_mint(self._link_store, number, turn, follows):
                yield
        finally:
            self._begun.discard(turn)
            await self._link_store.end_mint(number, turn)

    async def mint_across(self, links: Sequence[LinkDocument], pairs: Sequence[Pair]) -> list[str]:
        """A code for each pair of the link at its place: for pairs that are new, so that nobody need look.

        The links are of one tenant and domain. However many there are, it is one event.
        """
        codes: list[str] = []
        await self._outbox.settle()
        if not pairs:
            return codes
        forms = await asyncio.to_thread(self._forms.of, links[0].tenant, pairs)
        for chunk in _chunks(forms.current):
            codes += await self._publish_across(links[len(codes) : len(codes) + len(chunk)], chunk)
        return codes

    async def _publish_across(self, links: Sequence[LinkDocument], pairs: Sequence[Pair]) -> list[str]:
        fresh = _draw(len(pairs))
        for _ in range(MAX_DRAWS):
            minted = tuple(
                (link.number, code, *pair) for link, code, pair in zip(links, fresh, pairs, strict=True)
            )
            event = CodesMintedAcross(new_event_id(), self._clock(), links[0].tenant, links[0].domain, minted)
            try:
                await self._outbox.publish(event)
            except CodeTakenError as error:
                fresh = _draw_again(fresh, error.codes)
                continue
            self._on_minted(len(minted))
            return fresh
        raise unavailable("No free codes were found.")

    async def _publish(self, link: LinkDocument, pairs: Sequence[Pair], look_up: _LookUp) -> None:
        """Fresh codes for the pairs. Those that somebody has, next to none, are drawn again."""
        fresh = _draw(len(pairs))
        for _ in range(MAX_DRAWS):
            minted = tuple(zip(fresh, *zip(*pairs, strict=True), strict=True))
            event = CodesMinted(
                new_event_id(), self._clock(), link.tenant, link.number, link.domain, minted,
                follows=look_up.follows,
            )  # fmt: skip
            self._begun.add(event.id)
            try:
                await self._outbox.publish(event)
            except CodeTakenError as error:
                self._count_mint(link.id, event.follows)
                fresh = _draw_again(fresh, error.codes)
                continue
            except (LinkStoreUnavailableError, WarehouseUnavailableError, asyncio.CancelledError):
                for each in self._look_ups[link.id]:
                    each.follows = _STALE  # the outbox will apply it, or find that others minted
                raise
            finally:
                self._begun.discard(event.id)
            self._count_mint(link.id, event.follows)
            self._tell(link.id, dict(zip(pairs, fresh, strict=True)))
            self._on_minted(len(minted))
            return
        raise unavailable("No free codes were found.")

    def _count_mint(self, link_id: str, follows: int | None) -> None:
        """Ours began at this version: look-ups that were as new as ours are so again."""
        for look_up in self._look_ups[link_id]:
            if look_up.follows == follows:
                look_up.follows += 1

    def _tell(self, link_id: str, minted: Mapping[Pair, str]) -> None:
        for look_up in self._look_ups[link_id]:
            if not minted.keys().isdisjoint(look_up.wanted):
                look_up.minted.update((pair, minted[pair]) for pair in minted.keys() & look_up.wanted.keys())


def _draw(count: int) -> list[str]:
    """So many codes, no two the same."""
    drawn = dict.fromkeys(generate_many(count))
    while len(drawn) < count:
        drawn |= dict.fromkeys(generate_many(count - len(drawn)))
    return list(drawn)


def _draw_again(codes: Sequence[str], taken: AbstractSet[str]) -> list[str]:
    """Others in place of those that are taken. The rest are claimed by now, and so go on at their places."""
    fresh = iter(_draw(len(taken)))
    return [next(fresh) if code in taken else code for code in codes]


def _chunks(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    """Runs that fit into one event each."""
    if len(orjson.dumps(pairs)) + _CODE_BYTES * len(pairs) <= MAX_EVENT_BYTES:
        if pairs:
            yield pairs
        return
    middle = len(pairs) // 2
    yield from _chunks(pairs[:middle])
    yield from _chunks(pairs[middle:])
