"""`/v1/links/{link_id}/qr`: the short URL as a QR code."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from api.auth import Tenant
from api.errors import document_problems
from api.problems import INVALID_PARAMETERS, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE, not_found
from api.qr import ErrorCorrection, QrFormat, render_qr
from api.routes.links import LinkId
from api.services import ServicesOf
from api.urls import short_url

MEDIA_TYPES: Final = {"svg": "image/svg+xml", "png": "image/png"}
_COLOUR: Final = "^#?[0-9A-Fa-f]{6}$"

router = APIRouter(tags=["Links"], responses=document_problems(UNAUTHORIZED, UNAVAILABLE))


@router.get(
    "/v1/links/{link_id}/qr",
    response_class=Response,
    responses={
        200: {
            "description": "The image",
            "content": {
                MEDIA_TYPES["svg"]: {"schema": {"type": "string"}},
                MEDIA_TYPES["png"]: {"schema": {"type": "string", "format": "binary"}},
            },
        },
        **document_problems(NOT_FOUND, INVALID_PARAMETERS),
    },
)
async def draw_qr_code(
    link_id: LinkId,
    tenant: Tenant,
    services: ServicesOf,
    code: Annotated[
        str | None, Query(max_length=50, description="A recipient's code; the link's own if left out")
    ] = None,
    kind: Annotated[QrFormat, Query(alias="format")] = "svg",
    size: Annotated[int, Query(ge=32, le=4096, description="Width in pixels")] = 512,
    dark: Annotated[str, Query(pattern=_COLOUR, description="Colour of the modules, rrggbb")] = "000000",
    light: Annotated[
        str, Query(pattern=f"{_COLOUR}|^transparent$", description="Colour of the ground, or transparent")
    ] = "ffffff",
    error_correction: Annotated[
        ErrorCorrection, Query(description="How much may be soiled: L 7 %, M 15 %, Q 25 %, H 30 %")
    ] = "M",
    margin: Annotated[int, Query(ge=0, le=16, description="In modules; readers want 4")] = 4,
) -> Response:
    """Draw the short URL of the link, or of a code that was minted for a recipient, as SVG or PNG."""
    link = await services.links.read(tenant, link_id)
    if code is not None and not await services.links.has_code(link, code):
        raise not_found("code of this link")
    image = render_qr(
        short_url(link.domain, link.suffix, code or link.code),
        kind,
        size_px=size,
        dark=f"#{dark.removeprefix('#')}",
        light=None if light == "transparent" else f"#{light.removeprefix('#')}",
        error_correction=error_correction,
        margin=margin,
    )
    return Response(image, media_type=MEDIA_TYPES[kind])
