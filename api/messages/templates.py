"""Stored templates: a text with placeholders that `contentType: template` names by its id."""

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import orjson

from api.audit.changes import note_change
from api.events import Clock
from api.problems import not_found
from edge.contract import generate
from ingest.contract import Warehouse

ID_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class TemplateDocument:
    """A template, whole. `version` counts up with every change. Times are Unix ms."""

    id: str
    tenant: str
    name: str
    content: str
    content_type: Literal["text", "unicode", "binary"]
    dlt_template_id: str | None
    created_at_ms: int
    updated_at_ms: int
    version: int

    @classmethod
    def from_json(cls, document: str) -> Self:
        return cls(**orjson.loads(document))

    def to_json(self) -> str:
        return orjson.dumps(dataclasses.asdict(self)).decode()


class Templates:
    """The templates of all tenants, in the warehouse. Raises what the warehouse raises."""

    def __init__(self, warehouse: Warehouse, clock: Clock) -> None:
        self._warehouse = warehouse
        self._clock = clock
        self._changing = asyncio.Lock()

    async def make(self, tenant: str, fields: dict[str, Any]) -> TemplateDocument:
        now_ms = self._clock()
        template = TemplateDocument(
            id=f"tpl_{generate(ID_CHARS)}",
            tenant=tenant,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            version=1,
            **fields,
        )
        await self._save(template)
        note_change("template", template.id, after=template)
        return template

    async def read(self, tenant: str, template_id: str) -> TemplateDocument:
        """Raises a 404."""
        found = await self._select("AND id = {id:String}", {"tenant": tenant, "id": template_id}, 1)
        if not found:
            raise not_found("template")
        return found[0]

    async def page(self, tenant: str, limit: int, after: str) -> list[TemplateDocument]:
        """Those behind the id `after`, ordered by id."""
        return await self._select("AND id > {after:String}", {"tenant": tenant, "after": after}, limit)

    async def change(self, tenant: str, template_id: str, fields: dict[str, Any]) -> TemplateDocument:
        """Raises a 404."""
        async with self._changing:
            template = await self.read(tenant, template_id)
            changed = dataclasses.replace(
                template, **fields, updated_at_ms=self._clock(), version=template.version + 1
            )
            await self._save(changed)
            note_change("template", template_id, before=template, after=changed)
            return changed

    async def delete(self, tenant: str, template_id: str) -> None:
        """Raises a 404."""
        async with self._changing:
            template = await self.read(tenant, template_id)
            await self._save(dataclasses.replace(template, version=template.version + 1), deleted=True)
            note_change("template", template_id, before=template)

    async def _save(self, template: TemplateDocument, *, deleted: bool = False) -> None:
        await asyncio.to_thread(
            self._warehouse.insert,
            "message_templates",
            {
                "tenant": [template.tenant],
                "id": [template.id],
                "document": ["" if deleted else template.to_json()],
                "version": [template.version],
                "deleted": [deleted],
            },
            token=f"{template.id}:{template.version}",
        )

    async def _select(
        self, condition: str, parameters: dict[str, object], limit: int
    ) -> list[TemplateDocument]:
        rows = await asyncio.to_thread(
            self._warehouse.query,
            "SELECT document FROM message_templates FINAL"  # noqa: S608 - our own text
            f" WHERE tenant = {{tenant:String}} AND NOT deleted {condition} ORDER BY id LIMIT {int(limit)}",
            parameters,
        )
        return [TemplateDocument.from_json(document) for (document,) in rows]
