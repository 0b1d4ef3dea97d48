"""A mint that is under way stays so while its program lives: `edge/redis_mints.py` says what for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge.contract import MINT_RENEWAL_S, LinkStore, LinkStoreUnavailableError


@asynccontextmanager
async def renew_mint(link_store: LinkStore, number: int, mint_id: str, follows: int) -> AsyncIterator[None]:
    """Say time and again that the mint, which began, goes on."""
    renewing = asyncio.create_task(_renew(link_store, number, mint_id, follows))
    try:
        yield
    finally:
        renewing.cancel()


async def _renew(link_store: LinkStore, number: int, mint_id: str, follows: int) -> None:
    goes_on = True
    while goes_on:
        await asyncio.sleep(MINT_RENEWAL_S)
        try:
            goes_on = await link_store.begin_mint(number, mint_id, follows)
        except LinkStoreUnavailableError:
            continue
