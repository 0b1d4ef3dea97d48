"""`/v1/ledger`: the account of every click."""

import asyncio

from fastapi import APIRouter

from aggregator.contract import read_ledger
from api.account_models import LedgerDocument
from api.errors import document_problems
from api.problems import FORBIDDEN, UNAUTHORIZED, UNAVAILABLE
from api.services import ServicesOf

router = APIRouter(
    prefix="/v1/ledger",
    tags=["Operation"],
    responses=document_problems(UNAUTHORIZED, FORBIDDEN, UNAVAILABLE),
)


@router.get("")
async def show_ledger(services: ServicesOf) -> LedgerDocument:
    """Tell where every click is: answered, spooled, carried, stored, dropped and why; balanced or not.

    It is of the whole installation. While it does not balance it is counted again, for up to a second.
    """
    return LedgerDocument.of(await asyncio.to_thread(read_ledger, services.warehouse, services.spool_dir))
