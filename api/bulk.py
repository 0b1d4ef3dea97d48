"""Many links in one request: each line makes, upserts, changes or deletes one, and gets its verdict."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import orjson
from pydantic import TypeAdapter, ValidationError

from api.bodies import parse_json
from api.errors import problem_of
from api.fields import instant_of
from api.models import Body, Link, LinkPatch, NewLink, UpsertedLink
from api.ndjson import Line, bytes_of
from api.problems import (
    INTERNAL,
    Flaw,
    ProblemError,
    invalid_body,
    pointer_to,
    problem_of_body,
)
from api.reports.contract import counts_30d
from api.services import Services
from api.turns import Turns
from ingest.contract import LinkDocument

LINES_A_CHUNK: Final = 500
AT_ONCE: Final = 64

log = logging.getLogger(__name__)


class BulkCreate(NewLink):
    op: Literal["create"] = "create"


class BulkUpsert(UpsertedLink):
    op: Literal["upsert"]


class BulkUpdate(LinkPatch):
    op: Literal["update"]
    id: str


class BulkDelete(Body):
    op: Literal["delete"]
    id: str


BulkLine = BulkCreate | BulkUpsert | BulkUpdate | BulkDelete

_MODELS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "create": TypeAdapter(BulkCreate),
    "upsert": TypeAdapter(BulkUpsert),
    "update": TypeAdapter(BulkUpdate),
    "delete": TypeAdapter(BulkDelete),
}


class Bulk:
    """The answers to one request's lines. Up to `AT_ONCE` are done at a time, those on one link in order."""

    def __init__(self, services: Services, tenant: str) -> None:
        self._services = services
        self._tenant = tenant
        self._turns = Turns(AT_ONCE)

    async def answer(self, lines: Sequence[Line]) -> bytes:
        """A verdict a line, in order: `{"line", "op", "status", "link"}`, or `{"line", "problem"}`."""
        outcomes = await asyncio.gather(*(self._try(line) for line in lines))
        documents = [link for _, link in outcomes if link is not None]
        shown = await self._show(documents)
        verdicts = []
        for verdict, link in outcomes:
            if link is not None:
                verdict["link"] = shown[link.number, link.version]
            verdicts.append(orjson.dumps(verdict, option=orjson.OPT_APPEND_NEWLINE))
        return b"".join(verdicts)

    async def _try(self, line: Line) -> tuple[dict[str, Any], LinkDocument | None]:
        try:
            wanted = _read_line(line)
            async with self._turns.take(_name_of(wanted)):
                status, link = await self._do(wanted)
        except Exception as error:
            problem = problem_of(error)
            if problem.type is INTERNAL:
                log.exception("line %d of a bulk failed", line.number)
            return {"line": line.number, "problem": problem.to_dict()}, None
        verdict: dict[str, Any] = {"line": line.number, "op": wanted.op, "status": status}
        if isinstance(wanted, BulkDelete):
            verdict["id"] = wanted.id
        return verdict, link

    async def _do(self, wanted: BulkLine) -> tuple[int, LinkDocument | None]:
        links, metrics = self._services.links, self._services.metrics
        match wanted:
            case BulkUpsert():
                link, is_new = await links.upsert(self._tenant, wanted)
                metrics.links_made.inc(int(is_new))
                return 201 if is_new else 200, link
            case BulkCreate():
                link = await links.make(self._tenant, wanted)
                metrics.links_made.inc()
                return 201, link
            case BulkUpdate():
                return 200, await links.change(self._tenant, wanted.id, wanted)
            case BulkDelete():
                await links.delete(self._tenant, wanted.id)
                metrics.links_deleted.inc()
                return 204, None

    async def _show(self, links: Sequence[LinkDocument]) -> dict[tuple[int, int], orjson.Fragment]:
        """Each version of a link as it is answered. One that was made just now needs no counting."""
        now_ms = self._services.clock()
        old = [link.number for link in links if link.version > 1]
        counts = (
            await asyncio.to_thread(
                counts_30d, self._services.warehouse, self._tenant, old, instant_of(now_ms)
            )
            if old
            else {}
        )
        shown = {}
        for link in links:
            sent, clicks = counts.get(link.number, (0, 0))
            answer = Link.of(link, sent=sent, clicks=clicks, now_ms=now_ms)
            shown[link.number, link.version] = orjson.Fragment(answer.model_dump_json().encode())
        return shown


def _name_of(wanted: BulkLine) -> tuple[str, str] | None:
    """What the line names its link by; None where the link is new and has no name yet."""
    if isinstance(wanted, BulkUpdate | BulkDelete):
        return "id", wanted.id
    if wanted.external_id is not None:
        return "external_id", wanted.external_id
    return None if wanted.code is None else ("code", wanted.code)


def _read_line(line: Line) -> BulkLine:
    value = parse_json(bytes_of(line), "JSON of this line")
    op = value.get("op", "create") if isinstance(value, dict) else "create"
    if not isinstance(op, str) or op not in _MODELS:
        raise invalid_body(Flaw(f"One of {', '.join(_MODELS)}", pointer_to("op")))
    try:
        wanted: BulkLine = _MODELS[op].validate_python(value)
    except ValidationError as error:
        problem = problem_of_body(error.errors(include_url=False, include_input=False))
        raise ProblemError(problem.type, problem.detail, problem.flaws) from None
    return wanted
