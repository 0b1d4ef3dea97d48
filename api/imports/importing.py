"""Imports links row by row, each with its verdict."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from api.errors import problem_of
from api.imports.columns import Source
from api.imports.lines import RowReader
from api.imports.rows import ImportedLink, read_row
from api.ndjson import Line
from api.problems import INTERNAL, ProblemError
from api.services import Services
from api.turns import Turns
from api.urls import short_url

LINES_A_CHUNK: Final = 500
AT_ONCE: Final = 64

log = logging.getLogger(__name__)


class Importing:
    """The answers to one request's lines. With `dry_run` nothing is made, and codes are only looked up."""

    def __init__(
        self,
        services: Services,
        tenant: str,
        source: Source,
        *,
        is_csv: bool,
        domain: str | None,
        dry_run: bool,
    ) -> None:
        self._services = services
        self._tenant = tenant
        self._source: Source = source
        self._domain = domain
        self._dry_run = dry_run
        self._rows = RowReader(source, is_csv=is_csv)
        self._is_refused = False
        self._turns = Turns(AT_ONCE)

    async def answer(self, lines: Sequence[Line]) -> bytes:
        """A verdict a row, in order: `{"line", "status", …}` or `{"line", "problem"}`. A header has none.

        `line` is the row's first one.
        """
        rows: list[tuple[int, Mapping[str, object] | ProblemError]] = []
        for line in lines:
            row = self._read(line)
            if row is not None:
                rows.append((line.number, row))
        verdicts = await asyncio.gather(*(self._try(number, row) for number, row in rows))
        return b"".join(orjson.dumps(verdict, option=orjson.OPT_APPEND_NEWLINE) for verdict in verdicts)

    def _read(self, line: Line) -> Mapping[str, object] | ProblemError | None:
        """In order, since the first line says what the others mean. Nothing follows a header that is none."""
        if self._is_refused:
            return None
        try:
            return self._rows.read(line)
        except ProblemError as error:
            self._is_refused = not self._rows.has_begun
            return error

    async def _try(self, number: int, row: Mapping[str, object] | ProblemError) -> dict[str, Any]:
        if isinstance(row, ProblemError):
            return {"line": number, "problem": row.problem.to_dict()}
        try:
            imported = read_row(self._source, row, domain=self._domain)
            async with self._turns.take(imported.link.code):  # of two rows with one code the first counts
                return {"line": number, **await self._import(imported)}
        except Exception as error:
            problem = problem_of(error)
            if problem.type is INTERNAL:
                log.exception("line %d of an import failed", number)
            return {"line": number, "problem": problem.to_dict()}

    async def _import(self, imported: ImportedLink) -> dict[str, Any]:
        links = self._services.links
        verdict: dict[str, Any] = {
            "code": imported.link.code,
            "destination_url": imported.link.destination_url,
            "imported_clicks": imported.past.clicks,
            "former_domain": imported.former_domain,
        }
        if self._dry_run:
            await links.require_free(self._tenant, imported.link)
            return {"status": "ok", **verdict}
        link = await links.make(self._tenant, imported.link, imported.past)
        self._services.metrics.links_made.inc()
        made = {"id": link.id, "code": link.code, "short_url": short_url(link.domain, link.suffix, link.code)}
        return {"status": "created", **verdict, **made}
