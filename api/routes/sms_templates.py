"""`/v1/sms/templates`: texts with placeholders that messages name by their id."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.auth import Tenant
from api.bodies import JsonRoute
from api.errors import document_problems
from api.fields import Name, instant_of
from api.messages.cursors import cursor_after, read_cursor
from api.messages.message import MAX_CONTENT_CHARS
from api.messages.models import Text
from api.messages.templates import TemplateDocument
from api.problems import INVALID_PARAMETERS, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE
from api.routes.links import BODY_PROBLEMS, Cursor
from api.services import ServicesOf

MAX_PAGE: Final = 200

router = APIRouter(
    prefix="/v1/sms/templates",
    tags=["SMS"],
    route_class=JsonRoute,
    responses=document_problems(UNAUTHORIZED, UNAVAILABLE),
)

TemplateId = Annotated[str, Path(examples=["tpl_8sTq0mVh2KxZ"])]
Content = Annotated[Text, Field(min_length=1, max_length=MAX_CONTENT_CHARS)]
DltTemplateId = Annotated[Text, Field(max_length=100)]
_ContentType = Literal["text", "unicode", "binary"]


class NewTemplate(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    name: Name = ""
    content: Content = Field(examples=["Hi ${name}, see https://www.example.com/spring"])
    content_type: _ContentType = "text"
    dlt_template_id: DltTemplateId | None = None


class TemplatePatch(BaseModel):
    """JSON Merge Patch (RFC 7396): what is left out stays."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    name: Name = ""
    content: Content = "-"
    content_type: _ContentType = "text"
    dlt_template_id: DltTemplateId | None = None


class Template(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    id: str = Field(examples=["tpl_8sTq0mVh2KxZ"])
    name: str
    content: str
    content_type: _ContentType
    dlt_template_id: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, document: TemplateDocument) -> "Template":
        return Template.model_construct(
            id=document.id,
            name=document.name,
            content=document.content,
            content_type=document.content_type,
            dlt_template_id=document.dlt_template_id,
            created_at=instant_of(document.created_at_ms),
            updated_at=instant_of(document.updated_at_ms),
        )


class TemplatePage(BaseModel):
    data: list[Template]
    next_cursor: str | None = Field(
        description="Send it as cursor to get the next page; null on the last one"
    )


@router.post("", status_code=201, responses=document_problems(*BODY_PROBLEMS))
async def make_template(
    new: NewTemplate, tenant: Tenant, services: ServicesOf, response: Response
) -> Template:
    """Store a template. Messages name it with contentType template and its id as content."""
    template = await services.messages.templates.make(tenant, new.model_dump())
    response.headers["Location"] = f"/v1/sms/templates/{template.id}"
    return Template.of(template)


@router.get("", responses=document_problems(INVALID_PARAMETERS))
async def list_templates(
    tenant: Tenant,
    services: ServicesOf,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Cursor = None,
) -> TemplatePage:
    """List templates, ordered by id."""
    found = await services.messages.templates.page(tenant, limit + 1, read_cursor(cursor))
    page = found[:limit]
    next_cursor = cursor_after(page[-1].id) if len(found) > limit else None
    return TemplatePage(data=[Template.of(template) for template in page], next_cursor=next_cursor)


@router.get("/{template_id}", responses=document_problems(NOT_FOUND))
async def read_template(template_id: TemplateId, tenant: Tenant, services: ServicesOf) -> Template:
    """One template."""
    return Template.of(await services.messages.templates.read(tenant, template_id))


@router.patch("/{template_id}", responses=document_problems(*BODY_PROBLEMS, NOT_FOUND))
async def change_template(
    patch: TemplatePatch, template_id: TemplateId, tenant: Tenant, services: ServicesOf
) -> Template:
    """Change a template, by JSON Merge Patch. Messages that were accepted keep their text."""
    fields: dict[str, Any] = patch.model_dump(include=patch.model_fields_set)
    return Template.of(await services.messages.templates.change(tenant, template_id, fields))


@router.delete(
    "/{template_id}", status_code=204, response_class=Response, responses=document_problems(NOT_FOUND)
)
async def delete_template(template_id: TemplateId, tenant: Tenant, services: ServicesOf) -> None:
    """Forget a template. Its id is never given again."""
    await services.messages.templates.delete(tenant, template_id)
