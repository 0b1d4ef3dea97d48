"""`/docs`, `/openapi.json` and `/problems/…`. All that the page loads is served from here: no internet."""

from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from api.errors import ProblemDocument
from api.messages.models import NewMessages
from api.models import NewRecipients
from api.problems import PROBLEM_TYPES, not_found

ASSETS_PATH: Final = "/docs/assets"
OPENAPI_PATH: Final = "/openapi.json"
_REF_TEMPLATE: Final = "#/components/schemas/{model}"

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_start_page() -> RedirectResponse:
    return RedirectResponse("/docs")


@router.get("/docs")
async def show_docs() -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url=OPENAPI_PATH,
        title="Smart Links API",
        swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS_PATH}/favicon.png",
    )


@router.get("/problems/{name}")
async def show_problem(name: str) -> dict[str, str | int]:
    """What the `type` of a problem leads to."""
    for type_ in PROBLEM_TYPES:
        if type_.name == name:
            return {"type": type_.uri, "title": type_.title, "status": type_.status}
    raise not_found("kind of problem")


def mount_docs(app: FastAPI) -> None:
    """Add the page, its assets, and a start page that leads there."""
    app.include_router(router)
    app.mount(ASSETS_PATH, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="assets")
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's documented way


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document with our problems in place of its own error models."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for path in document["paths"].values():
            for operation in path.values():
                if operation["responses"].get("422", {}).get("description") == "Validation Error":
                    del operation["responses"]["422"]
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        _, ours = models_json_schema(
            [
                (ProblemDocument, "serialization"),
                (NewRecipients, "validation"),
                (NewMessages, "validation"),
            ],
            ref_template=_REF_TEMPLATE,
        )
        schemas.update(ours["$defs"])
        app.openapi_schema = document
    return app.openapi_schema
