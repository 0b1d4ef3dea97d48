"""`/docs`, `/openapi.json` and `/problems/…`. All that the page loads is served from here: no internet."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from api.openapi import openapi_document
from api.problem_pages import problem_list_page, problem_page
from api.problems import PROBLEM_TYPES, not_found

ASSETS_PATH: Final = "/docs/assets"
OPENAPI_PATH: Final = "/openapi.json"
_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_start_page() -> RedirectResponse:
    return RedirectResponse("/docs")


@router.get("/docs")
async def show_docs() -> HTMLResponse:
    page = get_swagger_ui_html(
        openapi_url=OPENAPI_PATH,
        title="Smart Links API",
        swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS_PATH}/favicon.png",
    )
    page.headers["Content-Security-Policy"] = _POLICY
    return page


@router.get("/problems")
async def list_problems() -> HTMLResponse:
    return problem_list_page()


@router.get("/problems/{name}", response_model=None)
async def show_problem(name: str, request: Request) -> Response | dict[str, str | int]:
    """What the `type` of a problem leads to: a page for people, JSON for programs."""
    for type_ in PROBLEM_TYPES:
        if type_.name == name:
            if "text/html" in request.headers.get("accept", ""):
                return problem_page(type_)
            return {"type": type_.uri, "title": type_.title, "status": type_.status}
    raise not_found("kind of problem")


def mount_docs(app: FastAPI) -> None:
    """Add the page, its assets, and a start page that leads there."""
    app.include_router(router)
    app.mount(ASSETS_PATH, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="assets")
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign] # FastAPI's documented way
