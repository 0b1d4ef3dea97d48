"""Errors as RFC 9457 problem documents (`application/problem+json`). Nothing of the inside is ever in them.

`errors` lists what is wrong where: `pointer` is an RFC 6901 pointer into the body as a URI fragment,
`parameter` the name of a query or path parameter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import orjson
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.conventions.request_ids import current_request_id

MEDIA_TYPE: Final = "application/problem+json"
MAX_ERRORS: Final = 20
_MAX_POINTER_CHARS = 200


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of error: `/problems/<name>` is its URI, `title` its one line, the same every time."""

    name: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        return f"/problems/{self.name}"


MALFORMED_REQUEST: Final = ProblemType("malformed-request", 400, "The request is not valid HTTP")
IDEMPOTENCY_KEY_INVALID: Final = ProblemType(
    "idempotency-key-invalid", 400, "The Idempotency-Key can't be used"
)
MALFORMED_BODY: Final = ProblemType("malformed-body", 400, "The body is not what its content type says")
UNAUTHORIZED: Final = ProblemType("unauthorized", 401, "A valid service key or token is needed")
FORBIDDEN: Final = ProblemType("forbidden", 403, "Not with this key or role")
ADDRESS_NOT_ALLOWED: Final = ProblemType("address-not-allowed", 403, "Not from this address")
TENANT_SUSPENDED: Final = ProblemType("tenant-suspended", 403, "The account is suspended")
NOT_FOUND: Final = ProblemType("not-found", 404, "There is nothing here")
METHOD_NOT_ALLOWED: Final = ProblemType("method-not-allowed", 405, "This method is not offered here")
REQUEST_TIMEOUT: Final = ProblemType("request-timeout", 408, "The body did not come in time")
IDEMPOTENCY_KEY_IN_USE: Final = ProblemType(
    "idempotency-key-in-use", 409, "The first request with this Idempotency-Key is under way"
)
CODE_TAKEN: Final = ProblemType("code-taken", 409, "The code is taken")
DOMAIN_TAKEN: Final = ProblemType("domain-taken", 409, "The domain is configured already")
DOMAIN_IN_USE: Final = ProblemType("domain-in-use", 409, "The domain is in use")
TENANT_TAKEN: Final = ProblemType("tenant-taken", 409, "The tenant's id or identity provider is taken")
TOO_MANY_KEYS: Final = ProblemType("too-many-keys", 409, "The account has too many keys")
TOO_MANY_WEBHOOKS: Final = ProblemType("too-many-webhooks", 409, "The account has too many webhooks")
CHANGED_MEANWHILE: Final = ProblemType("changed-meanwhile", 409, "Somebody else changed it at the same time")
PRECONDITION_FAILED: Final = ProblemType("precondition-failed", 412, "It was changed since you read it")
BODY_TOO_LARGE: Final = ProblemType("body-too-large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE: Final = ProblemType("unsupported-media-type", 415, "The content type is not accepted")
INVALID_BODY: Final = ProblemType("invalid-body", 422, "The body does not fit")
INVALID_PARAMETERS: Final = ProblemType("invalid-parameters", 422, "The parameters do not fit")
IDEMPOTENCY_KEY_REUSED: Final = ProblemType(
    "idempotency-key-reused", 422, "The Idempotency-Key was used for another request"
)
QUOTA_EXCEEDED: Final = ProblemType("quota-exceeded", 429, "Too many requests")
HEAD_TOO_LARGE: Final = ProblemType("head-too-large", 431, "The headers are too large")
INTERNAL: Final = ProblemType("internal", 500, "Something broke on our side")
UNAVAILABLE: Final = ProblemType("unavailable", 503, "Not available at the moment")
TOO_SLOW: Final = ProblemType("too-slow", 503, "It took too long")

PROBLEM_TYPES: Final = (
    MALFORMED_REQUEST,
    IDEMPOTENCY_KEY_INVALID,
    MALFORMED_BODY,
    UNAUTHORIZED,
    FORBIDDEN,
    ADDRESS_NOT_ALLOWED,
    TENANT_SUSPENDED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    REQUEST_TIMEOUT,
    IDEMPOTENCY_KEY_IN_USE,
    CODE_TAKEN,
    DOMAIN_TAKEN,
    DOMAIN_IN_USE,
    TENANT_TAKEN,
    TOO_MANY_KEYS,
    TOO_MANY_WEBHOOKS,
    CHANGED_MEANWHILE,
    PRECONDITION_FAILED,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID_BODY,
    INVALID_PARAMETERS,
    IDEMPOTENCY_KEY_REUSED,
    QUOTA_EXCEEDED,
    HEAD_TOO_LARGE,
    INTERNAL,
    UNAVAILABLE,
    TOO_SLOW,
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong. Exactly one of `pointer` and `parameter` is set."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def to_dict(self) -> dict[str, str]:
        place = {"pointer": self.pointer} if self.pointer is not None else {"parameter": self.parameter or ""}
        return {**place, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Problem:
    """One occurrence of an error. `detail` says what to do."""

    type: ProblemType
    detail: str
    flaws: Sequence[Flaw] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self, instance: str | None = None) -> dict[str, Any]:
        document: dict[str, Any] = {
            "type": self.type.uri,
            "title": self.type.title,
            "status": self.type.status,
            "detail": self.detail,
        }
        if instance is not None:
            document["instance"] = instance
        if self.flaws:
            document["errors"] = [flaw.to_dict() for flaw in self.flaws]
        return document

    def to_response(self, instance: str, more: Mapping[str, str] | None = None) -> Response:
        """The answer; `more` stands beside the members of RFC 9457."""
        document = self.to_dict(instance) | dict(more or {})
        request_id = current_request_id()
        if request_id is not None:
            document["request_id"] = request_id
        return Response(
            orjson.dumps(document),
            status_code=self.type.status,
            headers=dict(self.headers),
            media_type=MEDIA_TYPE,
        )


class ProblemError(HTTPException):
    """Raised anywhere in the API to answer with a problem; an HTTPException, so that FastAPI lets it pass."""

    def __init__(
        self,
        type_: ProblemType,
        detail: str,
        flaws: Sequence[Flaw] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.problem = Problem(type_, detail, flaws, headers or {})
        super().__init__(type_.status, detail)


def invalid_body(*flaws: Flaw) -> ProblemError:
    """What is wrong with a body, summed up in the detail."""
    return ProblemError(INVALID_BODY, _summary(flaws), flaws)


def invalid_parameters(*flaws: Flaw) -> ProblemError:
    """What is wrong with query parameters, summed up in the detail; at most `MAX_ERRORS` are told."""
    return ProblemError(INVALID_PARAMETERS, _summary(flaws), flaws[:MAX_ERRORS])


def not_found(what: str) -> ProblemError:
    return ProblemError(NOT_FOUND, f"There is no such {what}.")


def unavailable(reason: str, retry_after_s: int = 1) -> ProblemError:
    return ProblemError(
        UNAVAILABLE, f"{reason} Try again shortly.", headers={"Retry-After": str(retry_after_s)}
    )


def problem_of_validation(errors: Sequence[ErrorDetails]) -> Problem:
    """The problem that pydantic's errors amount to. Their places begin with `body`, `query` or `path`."""
    flaws = [_flaw(error) for error in errors[:MAX_ERRORS]]
    in_body = any(error["loc"][:1] == ("body",) for error in errors)
    return Problem(INVALID_BODY if in_body else INVALID_PARAMETERS, _summary(flaws), flaws)


def problem_of_body(errors: Sequence[ErrorDetails]) -> Problem:
    """The same for a body that was validated by itself: places are relative to it."""
    return problem_of_validation([{**error, "loc": ("body", *error["loc"])} for error in errors])


def pointer_to(*path: str | int) -> str:
    """RFC 6901 pointer as a URI fragment: `#/device_routes/ios`."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return "#" + quote("".join(f"/{part}" for part in parts), safe="/~!$&'()*+,;=:@-._")[:_MAX_POINTER_CHARS]


def _flaw(error: ErrorDetails) -> Flaw:
    place, *path = error["loc"]
    detail = _PLAIN_WORDS.get(error["type"]) or _length(error) or error["msg"].removeprefix("Value error, ")
    if place == "body":
        return Flaw(detail, pointer=pointer_to(*path))
    return Flaw(detail, parameter=".".join(str(part) for part in path))


def _length(error: ErrorDetails) -> str | None:
    """What is too long or too short. pydantic speaks of texts that we have checked as it does of lists."""
    kind, context = error["type"].removeprefix("string_"), error.get("ctx", {})
    is_text = kind != error["type"] or context.get("field_type") == "Value"
    unit = "character" if is_text else "item"
    if kind == "too_long":
        return f"At most {context['max_length']:,} {unit}s fit here"
    if kind == "too_short":
        return f"At least {context['min_length']:,} {unit}{'s' * (context['min_length'] > 1)} must stand here"
    return None


def _summary(flaws: Sequence[Flaw]) -> str:
    first = flaws[0]
    where = first.pointer if first.pointer is not None else first.parameter
    more = f" (and {len(flaws) - 1} more, see errors)" if len(flaws) > 1 else ""
    return f"{where}: {first.detail}{more}"


_PLAIN_WORDS: Final = {
    "missing": "Required, but missing",
    "extra_forbidden": "Not a known field; leave it out",
    "model_attributes_type": "A JSON object is wanted here",
    "model_type": "A JSON object is wanted here",
    "dict_type": "A JSON object is wanted here",
    "list_type": "A JSON array is wanted here",
    "string_type": "A string is wanted here",
    "bool_type": "true or false is wanted here",
}
