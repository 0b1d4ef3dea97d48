"""`DELETE /v1/recipients/{recipient}`: a person is forgotten."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.convertors import PathConvertor, register_url_convertor

from api.account_models import ErasedRecipient
from api.auth import Tenant
from api.errors import document_problems
from api.fields import Recipient
from api.problems import (
    FORBIDDEN,
    INVALID_PARAMETERS,
    UNAUTHORIZED,
    UNAVAILABLE,
)
from api.services import ServicesOf

router = APIRouter(
    prefix="/v1/recipients",
    tags=["Recipients"],
    responses=document_problems(UNAUTHORIZED, FORBIDDEN, INVALID_PARAMETERS, UNAVAILABLE),
)


class _NameConvertor(PathConvertor):
    """Any name, with slashes (%2F) or without; what ends with /clicks is another call's path."""

    regex = ".*(?<!/clicks)"


register_url_convertor("recipient", _NameConvertor())


@router.delete("/{recipient:recipient}")
async def erase_recipient(
    recipient: Annotated[
        Recipient, Path(description="As it was minted for, percent-encoded", examples=["+447700900123"])
    ],
    tenant: Tenant,
    services: ServicesOf,
) -> ErasedRecipient:
    """Erase a person: the codes minted for this recipient on any of your links, and every click on them.

    Their short URLs answer 404 within a second. The rows are gone at once, and off the disk within an hour;
    clicks that were on their way are erased as they arrive. How many messages were sent stays counted.
    """
    return await services.erasures.erase(tenant, recipient)
