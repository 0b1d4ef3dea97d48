"""`POST /v1/clicks`: clicks that apps report, because the system opened the link in the app."""

from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response

from api.app_clicks.report import MAX_TEXT_CHARS, AppClick, Outcome, invalid, read_click
from api.auth import Tenant
from api.bodies import JSON_TYPES, parse_json, read_body, require_media_type
from api.conventions.query_parameters import EXTRA_PARAMETERS
from api.services import ServicesOf

MAX_CLICKS: Final = 1000

router = APIRouter(prefix="/v1/clicks", tags=["Clicks"])

_TEXT: Final = {"type": "string", "maxLength": MAX_TEXT_CHARS}
_CLICK: Final = {
    "type": "object",
    "required": ["short-url"],
    "additionalProperties": False,
    "properties": {
        "short-url": {
            **_TEXT,
            "pattern": r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,4})?(/[A-Za-z0-9_-]{1,50})+$",
            "description": "The whole short URL that was opened",
        },
        "user-agent": {**_TEXT, "description": "Of the phone"},
        "ip-address": {**_TEXT, "format": "ip-address", "description": "Of the phone; IPv4 or IPv6"},
    },
}
_EXAMPLE: Final = {
    "short-url": "https://s.example.com/Penhgy",
    "user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "ip-address": "192.0.2.1",
}
_BODY: Final = {
    "x-vendor-shape": True,
    EXTRA_PARAMETERS: "ignored",
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        _CLICK,
                        {"type": "array", "items": _CLICK, "minItems": 1, "maxItems": MAX_CLICKS},
                    ]
                },
                "example": _EXAMPLE,
            }
        },
    },
}
_COUNTED: Final = {
    "type": "object",
    "required": ["transaction-id"],
    "properties": {"transaction-id": {"type": "string"}},
}
_NOT_COUNTED: Final = {
    "type": "object",
    "required": ["code", "description"],
    "properties": {"code": {"type": "integer"}, "description": {"type": "string"}},
}


def _documented(description: str, *schemas: dict[str, Any]) -> dict[str, Any]:
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: _documented(
        "Counted; or 1010: the same person's click is counted already. A list is answered by a list",
        _COUNTED,
        _NOT_COUNTED,
        {"type": "array", "items": {"anyOf": [_COUNTED, _NOT_COUNTED]}},
    ),
    400: _documented("1001: short-url is missing. 1002: something does not fit", _NOT_COUNTED),
    401: _documented("430: no valid key, or one that may not report clicks", _NOT_COUNTED),
    404: _documented("1003: no such short URL, or older than clicks are kept", _NOT_COUNTED),
    429: _documented("429: too many requests", _NOT_COUNTED),
    498: _documented("498: the token has expired", _NOT_COUNTED),
    500: _documented("500: not available at the moment", _NOT_COUNTED),
}


@router.post("", responses=_ANSWERS, openapi_extra=_BODY)
async def report_clicks(request: Request, tenant: Tenant, services: ServicesOf) -> Response:
    """Count clicks that the phone's system took past the redirect (Universal Links, App Links).

    They are judged and counted like any other, with channel `app`. A click of a person whose redirect or
    report came within the last ten minutes is not counted twice; to see redirects of the same moment, the
    answer is held for a second. A list of up to 1,000 clicks is
    answered by a list in the same order.
    """
    require_media_type(request, JSON_TYPES)
    body = parse_json(await read_body(request))
    if not isinstance(body, list):
        (outcome,) = await _count(tenant, services, [body])
        return _answer(outcome.status, outcome.to_dict())
    if not 1 <= len(body) <= MAX_CLICKS:
        refusal = invalid(f"A list has 1 to {MAX_CLICKS:,} clicks")
        return _answer(refusal.status, refusal.to_dict())
    return _answer(200, [outcome.to_dict() for outcome in await _count(tenant, services, body)])


async def _count(tenant: str, services: ServicesOf, values: list[Any]) -> list[Outcome]:
    read = [read_click(value) for value in values]
    reports = [one for one in read if isinstance(one, AppClick)]
    counted = iter(await services.app_clicks.count(tenant, reports) if reports else ())
    return [one if isinstance(one, Outcome) else next(counted) for one in read]


def _answer(status: int, content: object) -> Response:
    return Response(orjson.dumps(content), status_code=status, media_type="application/json")
