"""What goes in and out of `/v1/links/{link_id}/explain`."""

import ipaddress
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from api.fields import Instant, Text, ms_of
from api.models import Body
from edge.contract import SIGNAL_HEADERS
from ingest.contract import Explanation, Request

MAX_HEADERS: Final = 100
MAX_HEADER_CHARS: Final = 2048
_HEADER_NAME_PATTERN: Final = r"^(?![Uu][Ss][Ee][Rr]-[Aa][Gg][Ee][Nn][Tt]$)[^\x00-\x1f\x7f-\x9f]*$"
_READ: Final = ", ".join(("referer", "accept-language", *SIGNAL_HEADERS))


def _check_time(value: datetime) -> datetime:
    if not 1970 < value.year < 2100:
        raise ValueError("A time between the years 1971 and 2099 is wanted")
    return value


def _check_address(value: str) -> str:
    """The address as the edge writes it: an IPv4-mapped IPv6 one as IPv4."""
    if "%" in value:
        raise ValueError("Leave the zone out, with its %")
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("An IPv4 or IPv6 address is wanted") from None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _lower(headers: dict[str, str]) -> dict[str, str]:
    lowered = {name.lower(): value for name, value in headers.items()}
    if len(lowered) != len(headers):
        raise ValueError("Each header once: names are the same in upper and lower case")
    if "user-agent" in lowered:
        raise ValueError("The user agent has a field of its own: user_agent")
    return lowered


HeaderText = Annotated[Text, Field(max_length=MAX_HEADER_CHARS)]
Headers = Annotated[
    dict[Annotated[HeaderText, Field(json_schema_extra={"pattern": _HEADER_NAME_PATTERN})], HeaderText],
    Field(max_length=MAX_HEADERS),
    AfterValidator(_lower),
]
Address = Annotated[
    str,
    AfterValidator(_check_address),
    WithJsonSchema({"type": "string", "format": "ip-address", "examples": ["198.51.100.7"]}),
]


class ClickToExplain(Body):
    """A request for one of the link's codes, as it may come."""

    user_agent: HeaderText = Field(
        description="Empty for a request without one", examples=["WhatsApp/2.24.20.89 A"]
    )
    ip: Address
    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,50}$")] | None = Field(
        None, description="A recipient's code; the link's own if left out"
    )
    method: Literal["GET", "HEAD"] = "GET"
    headers: Headers = Field({}, description=f"Read are: {_READ}", examples=[{"sec-purpose": "prefetch"}])
    at: Annotated[Instant, AfterValidator(_check_time)] | None = Field(
        None, description="When it comes; now if left out"
    )

    def request(self, now_ms: int) -> Request:
        return Request(
            method=self.method,
            ip=self.ip,
            headers={**self.headers, "user-agent": self.user_agent},
            at_ms=now_ms if self.at is None else ms_of(self.at),
            code=self.code or "",
        )


class ExplainedClick(BaseModel):
    """What the edge would answer and ingest record."""

    verdict: Literal["human", "preview", "automated"]
    rule: str = Field(description="The first rule that matched", examples=["preview: WhatsApp"])
    rules_version: int
    route: Literal["default", "ios", "android", "expired"]
    outcome: Literal["redirected", "gone", "not_found"]
    destination: str | None = Field(description="Where the redirect leads; null where there is none")
    event: dict[str, Any] | None = Field(
        description="The click event that would be written, numbered 1 in spool 1; null where none would be"
    )
    columns: dict[str, Any] | None = Field(
        description="Its row in the warehouse; visitor is a decimal number in a string"
    )

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        columns = explanation.columns
        if columns is not None and "visitor" in columns:
            columns = {**columns, "visitor": str(columns["visitor"])}  # above 2^53, which JSON readers round
        return cls(
            verdict=explanation.verdict,
            rule=explanation.rule,
            rules_version=explanation.rules_version,
            route=explanation.route,
            outcome=explanation.outcome,
            destination=explanation.destination or None,
            event=explanation.event,
            columns=columns,
        )
