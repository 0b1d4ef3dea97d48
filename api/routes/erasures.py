"""`DELETE /v1/recipients/{recipient}`: a person is forgotten."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from api.account_models import ErasedRecipient
from api.auth import Tenant
from api.errors import document_problems
from api.fields import Recipient
from api.problems import (
    FORBIDDEN,
    INVALID_PARAMETERS,
    METHOD_NOT_ALLOWED,
    UNAUTHORIZED,
    UNAVAILABLE,
    ProblemError,
)
from api.services import ServicesOf

router = APIRouter(
    prefix="/v1/recipients",
    tags=["Recipients"],
    responses=document_problems(UNAUTHORIZED, FORBIDDEN, INVALID_PARAMETERS, UNAVAILABLE),
)


@router.delete("/{recipient:path}")  # a slash in it comes as %2F
async def erase_recipient(
    recipient: Annotated[
        Recipient, Path(description="As it was minted for, percent-encoded", examples=["+447700900123"])
    ],
    request: Request,
    tenant: Tenant,
    services: ServicesOf,
) -> ErasedRecipient:
    """Erase a person: the codes minted for this recipient on any of your links, and every click on them.

    Their short URLs answer 404 within a second. The rows are gone at once, and off the disk within an hour;
    clicks that were on their way are erased as they arrive. How many messages were sent stays counted.
    """
    if request.scope["raw_path"].endswith(b"/clicks"):  # another call's path; in a name it is %2Fclicks
        raise ProblemError(METHOD_NOT_ALLOWED, "This path takes GET.", headers={"Allow": "GET"})
    return await services.erasures.erase(tenant, recipient)
