"""`/v1/links/{link_id}/explain`: why a click is judged and routed as it is."""

import asyncio

from fastapi import APIRouter

from api.auth import Tenant
from api.bodies import JsonRoute
from api.errors import document_problems
from api.explain_models import ClickToExplain, ExplainedClick
from api.problems import NOT_FOUND, UNAUTHORIZED, UNAVAILABLE
from api.routes.links import BODY_PROBLEMS, LinkId
from api.services import ServicesOf

router = APIRouter(
    tags=["Links"],
    route_class=JsonRoute,
    responses=document_problems(UNAUTHORIZED, NOT_FOUND, UNAVAILABLE),
)


@router.post("/v1/links/{link_id}/explain", responses=document_problems(*BODY_PROBLEMS))
async def explain_click(
    click: ClickToExplain, link_id: LinkId, tenant: Tenant, services: ServicesOf
) -> ExplainedClick:
    """Tell what a click like this would get: verdict and its rule, route, destination, event and row.

    It is the code that answers and judges real clicks. Nothing is written and nothing counted.
    """
    link = await services.links.read(tenant, link_id)
    request = click.request(services.clock())
    return ExplainedClick.of(await asyncio.to_thread(services.explainer.explain, link, request))
