"""`/v1/dead-letters`: events that are no clicks, listed, mended, replayed, discarded."""

import asyncio
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Query

from aggregator.contract import (
    ask_for_discard,
    ask_for_replay,
    find_letters,
    list_dead_letters,
    parse_origin,
)
from api.account_models import (
    DeadLetterDocument,
    DeadLetterPage,
    DiscardAnswer,
    DiscardRequest,
    RefusedLetter,
    ReplayAnswer,
    ReplayRequest,
)
from api.audit.changes import note_change
from api.bodies import JsonRoute
from api.errors import document_problems
from api.events import new_event_id
from api.problems import (
    BODY_TOO_LARGE,
    FORBIDDEN,
    INVALID_BODY,
    INVALID_PARAMETERS,
    MALFORMED_BODY,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
)
from api.routes.links import Cursor
from api.services import ServicesOf
from ingest.contract import DeadReason

router = APIRouter(
    prefix="/v1/dead-letters",
    tags=["Operation"],
    route_class=JsonRoute,
    responses=document_problems(UNAUTHORIZED, FORBIDDEN, UNAVAILABLE),
)

BODY_PROBLEMS: Final = (MALFORMED_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_BODY)
MAX_PAGE: Final = 1000


@router.get("", responses=document_problems(INVALID_PARAMETERS))
async def list_letters(
    services: ServicesOf,
    reason: Annotated[DeadReason | None, Query(description="Only these")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Cursor = None,
) -> DeadLetterPage:
    """List events that are no clicks, of which nothing has become yet, by their origin."""
    letters, next_cursor = await asyncio.to_thread(
        list_dead_letters, services.warehouse, reason=reason, limit=limit, cursor=cursor
    )
    return DeadLetterPage(data=[DeadLetterDocument.of(each) for each in letters], next_cursor=next_cursor)


@router.post(":replay", status_code=202, responses=document_problems(*BODY_PROBLEMS))
async def replay_letters(wanted: ReplayRequest, services: ServicesOf) -> ReplayAnswer:
    """Replay letters, mended or as they are, through all steps of a click. Each is counted once.

    Asking twice does no harm: of a letter the first wish counts. What is still no click is refused.
    """
    mended = {
        parse_origin(letter.origin): orjson.dumps(letter.value)
        for letter in wanted.letters or ()
        if letter.value is not None
    }
    origins = None if wanted.letters is None else [parse_origin(letter.origin) for letter in wanted.letters]

    def ask() -> ReplayAnswer:
        request_id = new_event_id()
        letters = find_letters(services.warehouse, origins=origins, reason=wanted.reason)
        requested, refusals = ask_for_replay(
            services.warehouse, letters, mended, now_ms=services.clock(), request_id=request_id
        )
        note_change("dead_letters", request_id, after=sorted(letters))
        return ReplayAnswer(requested=requested, refused=[RefusedLetter.of(each) for each in refusals])

    return await asyncio.to_thread(ask)


@router.post(":discard", status_code=202, responses=document_problems(*BODY_PROBLEMS))
async def discard_letters(wanted: DiscardRequest, services: ServicesOf) -> DiscardAnswer:
    """Discard letters for good. The ledger goes on counting them as dropped."""
    origins = [parse_origin(origin) for origin in wanted.origins]

    def ask() -> DiscardAnswer:
        request_id = new_event_id()
        letters = find_letters(services.warehouse, origins=origins, reason=None)
        requested = ask_for_discard(
            services.warehouse, letters, now_ms=services.clock(), request_id=request_id
        )
        note_change("dead_letters", request_id, before=sorted(letters))
        return DiscardAnswer(requested=requested)

    return await asyncio.to_thread(ask)
