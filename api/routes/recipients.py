"""`/v1/links/{id}/recipients`: codes for recipients, as JSON or as a stream of NDJSON."""

import logging
import re
from collections.abc import Sequence
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter, ValidationError

from api.auth import Tenant
from api.bodies import parse_json, read_body, require_media_type
from api.errors import document_problems, problem_of
from api.fields import MAX_REFERENCE_CHARS
from api.models import MintedCodes, NewRecipient, NewRecipients
from api.ndjson import NDJSON_TYPES, Line, NdjsonResponse, bytes_of
from api.problems import (
    INTERNAL,
    NOT_FOUND,
    UNAUTHORIZED,
    UNAVAILABLE,
    ProblemError,
    problem_of_body,
)
from api.recipient_forms import Pair
from api.routes.links import BODY_PROBLEMS, LinkId
from api.services import Services, ServicesOf
from api.urls import short_url

router = APIRouter(
    prefix="/v1/links/{link_id}/recipients",
    tags=["Recipients"],
    responses=document_problems(UNAUTHORIZED, NOT_FOUND, UNAVAILABLE),
)

MAX_PAGE: Final = 1000

log = logging.getLogger(__name__)

_PLAIN: Final = re.compile(rf"[!-~]{{1,{MAX_REFERENCE_CHARS}}}\Z")
_NAMES: Final = frozenset(NewRecipient.model_fields)
_ONE: Final = TypeAdapter(NewRecipient)
_MANY: Final = TypeAdapter(NewRecipients)
_LINE_EXAMPLE: Final = '{"recipient": "+447700900123", "reference": "order-1"}\n'

_REQUEST_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/NewRecipients"}},
            NDJSON_TYPES[0]: {
                "schema": {"description": "A recipient a line"},
                "example": _LINE_EXAMPLE,
            },
        },
    }
}


@router.post(
    "",
    response_model=MintedCodes,
    responses=document_problems(*BODY_PROBLEMS),
    openapi_extra=_REQUEST_BODY,
)
async def mint_codes(request: Request, link_id: LinkId, tenant: Tenant, services: ServicesOf) -> Response:
    """Mint a code for each recipient; the same recipient and reference get their same code again.

    JSON takes up to 10,000 recipients. NDJSON (`application/x-ndjson`) takes any number, a recipient a line,
    and is answered line by line while it comes in: the code, or `{"line", "problem"}` where there is none.
    """
    media_type = require_media_type(request, ("application/json", *NDJSON_TYPES))
    if media_type in NDJSON_TYPES:
        await services.links.read(tenant, link_id)
        return NdjsonResponse(request, _Minting(services, tenant, link_id).answer, media_type)
    wanted = _validate(_MANY, parse_json(await read_body(request))).recipients
    pairs = [(one.recipient, one.reference) for one in wanted]
    documents = await _mint(services, tenant, link_id, pairs)
    return Response(orjson.dumps({"data": documents}), media_type="application/json")


class _Minting:
    """The answers to one NDJSON request's lines."""

    def __init__(self, services: Services, tenant: str, link_id: str) -> None:
        self._services = services
        self._tenant = tenant
        self._link_id = link_id

    async def answer(self, lines: Sequence[Line]) -> bytes:
        """A verdict a line. What is down for one chunk is tried again for the next."""
        answers: list[dict[str, Any]] = []
        wanted: list[Pair] = []
        places: list[int] = []
        for line in lines:
            try:
                wanted.append(_read_line(line))
                places.append(len(answers))
                answers.append({"line": line.number})
            except ProblemError as error:
                answers.append({"line": line.number, "problem": error.problem.to_dict()})
        try:
            minted = await _mint(self._services, self._tenant, self._link_id, wanted)
            for place, document in zip(places, minted, strict=True):
                answers[place] = document
        except Exception as error:  # the answer has begun: what fails is said in its lines
            problem = problem_of(error)
            if problem.type is INTERNAL:
                log.exception("minting for link %s failed", self._link_id)
            for place in places:
                answers[place]["problem"] = problem.to_dict()
        return b"".join(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE) for answer in answers)


async def _mint(services: Services, tenant: str, link_id: str, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """The `MintedCode` of each, as a dict: building models is for the documents, not for every row."""
    if not pairs:
        return []
    link, codes = await services.recipients.mint_pairs(tenant, link_id, pairs)
    prefix = short_url(link.domain, link.suffix, "")
    return [
        {"recipient": recipient, "reference": reference, "code": code, "short_url": prefix + code}
        for (recipient, reference), code in zip(pairs, codes, strict=True)
    ]


def _read_line(line: Line) -> Pair:
    value = parse_json(bytes_of(line), "JSON of this line")
    if type(value) is dict and value.keys() <= _NAMES and _is_plain(value.get("recipient")):
        reference = value.get("reference", "")
        if reference == "" or _is_plain(reference):
            return value["recipient"], reference
    one: NewRecipient = _validate(_ONE, value)
    return one.recipient, one.reference


def _is_plain(text: object) -> bool:
    """Whether it certainly fits: what most lines are made of is spared the building of a model."""
    return type(text) is str and _PLAIN.match(text) is not None


def _validate(adapter: TypeAdapter[Any], value: object) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        problem = problem_of_body(error.errors(include_url=False, include_input=False))
        raise ProblemError(problem.type, problem.detail, problem.flaws) from None
